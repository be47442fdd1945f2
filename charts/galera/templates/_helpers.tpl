{{/* Name of all objects: release and chart, once. With "-etcd" and the hash of a revision it must fit a label of 63. */}}
{{- define "galera.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- default $both .Values.fullnameOverride | trunc 47 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels of all objects. */}}
{{- define "galera.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What selects the pods of one component: (list $ "etcd"). Immutable, so it has nothing that a release changes. */}}
{{- define "galera.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of pods: without versions, which would restart every database at each new chart. */}}
{{- define "galera.podLabels" -}}
{{- include "galera.selector" . }}
{{- with (index . 0).Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of an object: (list $ "component" "suffix of its name"). */}}
{{- define "galera.metadata" -}}
name: {{ include "galera.fullname" (index . 0) }}{{ with index . 2 }}-{{ . }}{{ end }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "galera.labels" (index . 0) | nindent 2 }}
  app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* An image: (list $ .Values.image "tag if it has none"). */}}
{{- define "galera.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := default $image.registry $root.Values.global.imageRegistry -}}
{{- $name := empty $registry | ternary $image.repository (printf "%s/%s" $registry $image.repository) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $name $image.digest | quote -}}
{{- else -}}
{{- printf "%s:%s" $name (default (index . 2) $image.tag | toString) | quote -}}
{{- end -}}
{{- end -}}

{{/* Security of the sidecar's container. Values that were kept (--reuse-values) from a chart without it get its user too. */}}
{{- define "galera.exporter.security" -}}
{{- $own := hasKey .Values.exporter "securityContext" | ternary .Values.exporter.securityContext (dict "runAsUser" 10104) -}}
{{- toYaml (merge (deepCopy $own) .Values.containerSecurityContext) }}
{{- end -}}

{{/* The image and its policy, of the sidecar and its like. */}}
{{- define "galera.exporter.image" -}}
image: {{ include "galera.image" (list . .Values.exporter.image .Chart.AppVersion) }}
imagePullPolicy: {{ .Values.exporter.image.pullPolicy }}
{{- end -}}

{{- define "galera.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "galera.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "galera.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Domain of the pods' names. */}}
{{- define "galera.domain" -}}
{{ include "galera.fullname" . }}-nodes.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{- define "galera.etcd.domain" -}}
{{ include "galera.fullname" . }}-etcd-nodes.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end -}}

{{/* Names of the database's pods, one a line of a JSON list. */}}
{{- define "galera.nodes" -}}
{{- $names := list -}}
{{- range $ordinal := until (int .Values.replicaCount) -}}
{{- $names = append $names (printf "%s-%d" (include "galera.fullname" $) $ordinal) -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}

{{- define "galera.etcd.members" -}}
{{- $names := list -}}
{{- range $ordinal := until (int .Values.etcd.replicaCount) -}}
{{- $names = append $names (printf "%s-etcd-%d" (include "galera.fullname" $) $ordinal) -}}
{{- end -}}
{{- join "," $names -}}
{{- end -}}

{{- define "galera.scheme" -}}
{{- .Values.tls.enabled | ternary "https" "http" -}}
{{- end -}}

{{/* Whether the web pages have TLS: HTTPS or HTTP, as probes have it. */}}
{{- define "galera.web.scheme" -}}
{{- include "galera.scheme" . | upper -}}
{{- end -}}

{{- define "galera.tls.secret" -}}
{{- default (printf "%s-tls" (include "galera.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{- define "galera.auth.secret" -}}
{{- default (include "galera.fullname" .) .Values.auth.existingSecret -}}
{{- end -}}

{{- define "galera.etcd.auth.secret" -}}
{{- default (printf "%s-etcd" (include "galera.fullname" .)) .Values.etcd.auth.existingSecret -}}
{{- end -}}

{{/* etcd as its clients see it: endpoints, user, secret of the password, secret of the CA, whether with a certificate. */}}
{{- define "galera.etcd.client" -}}
{{- $client := dict "endpoints" "" "user" "" "password" "" "tls" "" "certificate" false -}}
{{- if .Values.etcd.enabled -}}
{{- $endpoints := list -}}
{{- range $name := splitList "," (include "galera.etcd.members" .) -}}
{{- $endpoints = append $endpoints (printf "%s://%s.%s:2379" (include "galera.scheme" $) $name (include "galera.etcd.domain" $)) -}}
{{- end -}}
{{- $_ := set $client "endpoints" (join "," $endpoints) -}}
{{- if .Values.etcd.auth.enabled -}}
{{- $_ := set $client "user" .Values.etcd.auth.user -}}
{{- $_ := set $client "password" (include "galera.etcd.auth.secret" .) -}}
{{- end -}}
{{- if .Values.tls.enabled -}}
{{- $_ := set $client "tls" (include "galera.tls.secret" .) -}}
{{- /* With users, etcd refuses a certificate that has a common name; without, it asks for one. */ -}}
{{- $_ := set $client "certificate" (not .Values.etcd.auth.enabled) -}}
{{- end -}}
{{- else -}}
{{- $external := .Values.etcd.external -}}
{{- $_ := set $client "endpoints" (join "," $external.endpoints) -}}
{{- $_ := set $client "user" $external.user -}}
{{- $_ := set $client "password" (empty $external.user | ternary "" $external.existingSecret) -}}
{{- $_ := set $client "tls" $external.tlsSecret -}}
{{- $_ := set $client "certificate" $external.clientCertificate -}}
{{- end -}}
{{- toJson $client -}}
{{- end -}}

{{/* Environment of whatever asks etcd about this cluster: sidecar, observer, tests. */}}
{{- define "galera.client.env" -}}
{{- $etcd := include "galera.etcd.client" . | fromJson -}}
- {name: GALERA_EXPORTER_NAMESPACE, value: {{ .Release.Namespace | quote }}}
- {name: GALERA_EXPORTER_CLUSTER_NAME, value: {{ include "galera.fullname" . | quote }}}
- {name: GALERA_EXPORTER_EXPECTED_SIZE, value: {{ int64 .Values.replicaCount | quote }}}
- {name: GALERA_EXPORTER_ETCD_ENDPOINTS, value: {{ $etcd.endpoints | quote }}}
{{- if $etcd.user }}
- {name: GALERA_EXPORTER_ETCD_USER, value: {{ $etcd.user | quote }}}
- {name: GALERA_EXPORTER_ETCD_PASSWORD_FILE, value: /etc/galera-exporter/etcd/password}
{{- end }}
{{- if $etcd.tls }}
- {name: GALERA_EXPORTER_ETCD_TLS_CA, value: /etc/galera-exporter/etcd-tls/ca.crt}
{{- if $etcd.certificate }}
- {name: GALERA_EXPORTER_ETCD_TLS_CERT, value: /etc/galera-exporter/etcd-tls/tls.crt}
- {name: GALERA_EXPORTER_ETCD_TLS_KEY, value: /etc/galera-exporter/etcd-tls/tls.key}
{{- end }}
{{- end }}
{{- end -}}

{{/* The files that this environment names. */}}
{{- define "galera.client.mounts" -}}
{{- $etcd := include "galera.etcd.client" . | fromJson -}}
{{- if $etcd.user }}
- {name: etcd-password, mountPath: /etc/galera-exporter/etcd, readOnly: true}
{{- end }}
{{- if $etcd.tls }}
- {name: etcd-tls, mountPath: /etc/galera-exporter/etcd-tls, readOnly: true}
{{- end }}
{{- end -}}

{{- define "galera.client.volumes" -}}
{{- $etcd := include "galera.etcd.client" . | fromJson -}}
{{- if $etcd.user }}
- name: etcd-password
  secret:
    secretName: {{ $etcd.password }}
    defaultMode: 0440
    items:
      - {key: password, path: password}
{{- end }}
{{- if $etcd.tls }}
- name: etcd-tls
  secret:
    secretName: {{ $etcd.tls }}
    defaultMode: 0440
    items:
      - {key: ca.crt, path: ca.crt}
      {{- if $etcd.certificate }}
      - {key: tls.crt, path: tls.crt}
      - {key: tls.key, path: tls.key}
      {{- end }}
{{- end }}
{{- end -}}

{{/* TLS and users of the web pages of sidecar and observer. */}}
{{- define "galera.web.env" -}}
{{- if or .Values.tls.enabled .Values.exporter.webConfigSecret }}
- {name: GALERA_EXPORTER_WEB_CONFIG_FILE, value: /etc/galera-exporter/web/web.yml}
{{- end }}
{{- end -}}

{{- define "galera.web.mounts" -}}
{{- if or .Values.tls.enabled .Values.exporter.webConfigSecret }}
- {name: web, mountPath: /etc/galera-exporter/web, readOnly: true}
{{- end }}
{{- end -}}

{{- define "galera.web.volumes" -}}
{{- if .Values.exporter.webConfigSecret }}
- name: web
  secret: {secretName: {{ .Values.exporter.webConfigSecret }}, defaultMode: 0440}
{{- else if .Values.tls.enabled }}
- name: web
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ include "galera.fullname" . }}
          items:
            - {key: web.yml, path: web.yml}
      - secret:
          name: {{ include "galera.tls.secret" . }}
          items:
            - {key: tls.crt, path: tls.crt}
            - {key: tls.key, path: tls.key}
{{- end }}
{{- end -}}

{{/* Affinity: (list $ "component" (its own affinity)). */}}
{{- define "galera.affinity" -}}
{{- $root := index . 0 -}}
{{- $term := dict "labelSelector" (dict "matchLabels" (include "galera.selector" (list $root (index . 1)) | fromYaml)) "topologyKey" "kubernetes.io/hostname" -}}
{{- if index . 2 }}
affinity:
  {{- toYaml (index . 2) | nindent 2 }}
{{- else if eq $root.Values.antiAffinity "hard" }}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      {{- toYaml (list $term) | nindent 6 }}
{{- else if eq $root.Values.antiAffinity "soft" }}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      {{- toYaml (list (dict "weight" 100 "podAffinityTerm" $term)) | nindent 6 }}
{{- end }}
{{- end -}}

{{/* Where pods go: (list $ "component" (values with nodeSelector and its like)). */}}
{{- define "galera.scheduling" -}}
{{- $root := index . 0 -}}
{{- $values := index . 2 -}}
{{- include "galera.affinity" (list $root (index . 1) (get $values "affinity")) }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with get $values "topologySpreadConstraints" }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with get $values "priorityClassName" }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* A password of a Secret: what stands in the values, or what the Secret has, or a new one: (list "value" $existing "key"). */}}
{{- define "galera.password" -}}
{{- $kept := dig "data" (index . 2) "" (index . 1) -}}
{{- if index . 0 -}}
{{- index . 0 | toString | b64enc -}}
{{- else if $kept -}}
{{- $kept -}}
{{- else -}}
{{- randAlphaNum 32 | b64enc -}}
{{- end -}}
{{- end -}}

{{/* Mounts of both containers of an etcd pod. */}}
{{- define "galera.etcd.mounts" -}}
- {name: data, mountPath: /var/lib/etcd, subPath: etcd}
- {name: config, mountPath: /run/etcd}
{{- if .Values.tls.enabled }}
- {name: tls, mountPath: /etc/etcd/tls, readOnly: true}
{{- end }}
{{- if .Values.etcd.auth.enabled }}
- {name: auth, mountPath: /etc/etcd/auth, readOnly: true}
{{- end }}
{{- end -}}

{{/* A number as people write it: Go writes 134217728 as 1.34217728e+08. */}}
{{- define "galera.number" -}}
{{- regexReplaceAll "\\.?0+$" (printf "%.6f" (float64 .)) "" -}}
{{- end -}}

{{/*
All names by which a part of this release is reached. A member of etcd takes the certificate of another one if a name in it,
looked up in this order, has the other's address: the headless Service has those of all.
*/}}
{{- define "galera.tls.names" -}}
{{- $fullname := include "galera.fullname" . -}}
{{- $space := .Release.Namespace -}}
{{- $names := list -}}
{{- if .Values.etcd.enabled -}}
{{- $domain := include "galera.etcd.domain" . -}}
{{- $names = list $domain (printf "*.%s" $domain) -}}
{{- end -}}
{{- $names = concat $names (list (printf "*.%s" (include "galera.domain" .)) "localhost") -}}
{{- range $suffix := list "" "-primary" "-observer" "-etcd" -}}
{{- $name := printf "%s%s" $fullname $suffix -}}
{{- $names = concat $names (list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) (printf "%s.%s.svc.%s" $name $space $.Values.clusterDomain)) -}}
{{- end -}}
{{- toJson $names -}}
{{- end -}}
