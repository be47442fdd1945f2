{{/*
The three kinds of targets, as a JSON list: component, port, whether it is a page of ours (with TLS and users), whether its
own labels win (the observer's series have the label pod of other pods).
*/}}
{{- define "galera.monitoring.targets" -}}
{{- $targets := list (dict "component" "galera" "port" "exporter" "suffix" "" "service" "nodes" "web" true "honor" false) -}}
{{- if .Values.etcd.enabled -}}
{{- $targets = append $targets (dict "component" "etcd" "port" "etcd-metrics" "suffix" "etcd" "service" "etcd-nodes" "web" false "honor" false) -}}
{{- end -}}
{{- if .Values.observer.enabled -}}
{{- $targets = append $targets (dict "component" "observer" "port" "observer" "suffix" "observer" "service" "observer" "web" true "honor" true) -}}
{{- end -}}
{{- toJson $targets -}}
{{- end -}}

{{/* One endpoint of a monitor: (list $ $target $settings). docs/alerts.md says which labels the rules need. */}}
{{- define "galera.monitoring.endpoint" -}}
{{- $root := index . 0 -}}
{{- $target := index . 1 -}}
{{- $settings := index . 2 -}}
port: {{ $target.port }}
interval: {{ $settings.interval }}
scrapeTimeout: {{ $settings.scrapeTimeout }}
{{- if $target.honor }}
honorLabels: true
{{- end }}
relabelings:
  - {targetLabel: galera_cluster, replacement: {{ include "galera.fullname" $root }}}
  - {targetLabel: component, replacement: {{ $target.component }}}
  {{- with $settings.relabelings }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if $target.web }}
{{- $tls := dict "ca" (dict "secret" (dict "name" (include "galera.tls.secret" $root) "key" "ca.crt")) "serverName" (include "galera.fullname" $root) }}
{{- $secure := $root.Values.tls.enabled | ternary (dict "scheme" "https" "tlsConfig" $tls) dict }}
{{- with merge (deepCopy $settings.endpoint) $secure }}
{{ toYaml . }}
{{- end }}
{{- end }}
{{- end -}}
