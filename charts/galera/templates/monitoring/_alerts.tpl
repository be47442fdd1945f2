{{/*
The alert sources to rules, as alerts/render.py does it; a test of the project compares the two.
*/}}

{{/* Fails unless each key of .found is one of .possible; .at says where. */}}
{{- define "galera.alerts.oneOf" -}}
{{- range $name, $_ := .found }}
{{- if not (has $name $.possible) }}
{{- fail (printf "%s.%s: there is no such thing; possible are %s" $.at $name (join ", " $.possible)) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Fails unless .found, if there is anything, is a mapping; the same of its enabled. */}}
{{- define "galera.alerts.mapping" -}}
{{- if not (kindIs "map" .found) }}
{{- fail (printf "%s: must be a mapping, not %v" .at .found) }}
{{- end }}
{{- if and (hasKey .found "enabled") (not (kindIs "bool" .found.enabled)) }}
{{- fail (printf "%s.enabled: must be true or false, not %v" .at .found.enabled) }}
{{- end }}
{{- end -}}

{{/* Fails unless each parameter in .found is of the kind of its default in .defaults. */}}
{{- define "galera.alerts.kinds" -}}
{{- range $key, $value := .found }}
{{- $at := printf "%s.%s" $.at $key }}
{{- $default := get $.defaults $key }}
{{- if eq $key "enabled" }}
{{- else if eq $key "severity" }}
{{- if not (has $value (list "critical" "warning" "info")) }}
{{- fail (printf "%s: must be one of critical, warning, info, not %v" $at $value) }}
{{- end }}
{{- else if kindIs "string" $default }}
{{- if not (and (kindIs "string" $value) (regexMatch "^([0-9]+(ms|[smhdwy]))+$" (toString $value))) }}
{{- fail (printf "%s: must be a duration such as %v, not %v" $at $default $value) }}
{{- end }}
{{- else if not (or (kindIs "float64" $value) (kindIs "int64" $value) (kindIs "int" $value)) }}
{{- fail (printf "%s: must be a number such as %v, not %v" $at $default $value) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* .text with each ${name} of .values replaced. */}}
{{- define "galera.alerts.replaced" -}}
{{- $text := .text -}}
{{- range $name, $value := .values -}}
{{- $written := toString $value -}}
{{- if kindIs "float64" $value -}}{{/* not 1.8e+06, nor 0.100000000 */}}
{{- $written = regexReplaceAll "\\.?0+$" (printf "%.9f" $value) "" -}}
{{- end -}}
{{- $text = replace (printf "${%s}" $name) $written $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/* The rule groups, as YAML. */}}
{{- define "galera.alerts.groups" -}}
{{- $settings := .Values.metrics.prometheusRule -}}
{{- $at := "metrics.prometheusRule.rules" -}}
{{- $overrides := $settings.rules | default dict -}}
{{- $kube := without $settings.clusterLabels "galera_cluster" -}}
{{- if not (has "namespace" $kube) -}}{{/* pods of the same name in two namespaces are two */}}
{{- $kube = append $kube "namespace" -}}
{{- end -}}
{{- $groupings := dict "cluster" (join ", " $settings.clusterLabels) "kube" (join ", " $kube) -}}
{{- $rules := dict -}}
{{- $recorded := list -}}
{{- range .Files.Get "files/alerts/recording.yaml" | fromYamlArray -}}
{{- $text := printf "# %s\n%s" .comment .expr -}}
{{- $expr := include "galera.alerts.replaced" (dict "text" $text "values" $groupings) -}}
{{- $recorded = append $recorded (dict "record" .record "expr" $expr) -}}
{{- end -}}
{{- $_ := set $rules "galera-recording" $recorded -}}
{{- $names := list -}}
{{- range $path, $_ := .Files.Glob "files/alerts/Galera*.yaml" -}}
{{- $names = append $names (trimSuffix ".yaml" (base $path)) -}}
{{- end -}}
{{- include "galera.alerts.oneOf" (dict "found" $overrides "possible" $names "at" $at) -}}
{{- range $name := $names -}}
{{- $alert := $.Files.Get (printf "files/alerts/%s.yaml" $name) | fromYaml -}}
{{- $override := get $overrides $name | default dict -}}
{{- $here := printf "%s.%s" $at $name -}}
{{- include "galera.alerts.mapping" (dict "found" $override "at" $here) -}}
{{- include "galera.alerts.oneOf" (dict "found" $override "possible" (concat (list "enabled") (keys $alert.levels | sortAlpha)) "at" $here) -}}
{{- range $level, $defaults := $alert.levels -}}
{{- $changes := get $override $level | default dict -}}
{{- $there := printf "%s.%s" $here $level -}}
{{- include "galera.alerts.mapping" (dict "found" $changes "at" $there) -}}
{{- $parameters := omit $defaults "expr" -}}
{{- include "galera.alerts.oneOf" (dict "found" $changes "possible" (concat (list "enabled" "severity") (keys $parameters | sortAlpha)) "at" $there) -}}
{{- include "galera.alerts.kinds" (dict "found" $changes "defaults" $parameters "at" $there) -}}
{{- $chosen := dict -}}
{{- range $part := list $groupings $parameters $changes -}}{{/* not merge: it takes 0 for nothing */}}
{{- range $key, $value := $part -}}
{{- $_ := set $chosen $key $value -}}
{{- end -}}
{{- end -}}
{{- if and (dig "enabled" true $override) (dig "enabled" true $changes) -}}
{{- $annotations := dict "runbook_url" (printf "%s/%s.md" (default "alerts/runbooks" $settings.runbookUrl | trimSuffix "/") $name) -}}
{{- range $part := list "summary" "description" "impact" "command" -}}
{{- $_ := set $annotations $part (include "galera.alerts.replaced" (dict "text" (get $alert $part) "values" $chosen)) -}}
{{- end -}}
{{- with $settings.dashboardUrl -}}
{{- $variables := list -}}
{{- range $label := list "namespace" "galera_cluster" -}}
{{- if has $label $settings.clusterLabels -}}
{{- $variables = append $variables (printf "var-%s={{ $labels.%s }}" $label $label) -}}
{{- end -}}
{{- end -}}
{{- if eq $alert.dashboard "galera-node" -}}
{{- $variables = append $variables "var-pod={{ $labels.pod }}" -}}
{{- end -}}
{{- $_ := set $annotations "dashboard_url" (printf "%s/d/%s?%s" (trimSuffix "/" .) $alert.dashboard (join "&" $variables)) -}}
{{- end -}}
{{- $labels := merge (dict "severity" (default $level $changes.severity)) ($settings.additionalRuleLabels | default dict) -}}
{{- $expr := include "galera.alerts.replaced" (dict "text" (default $alert.expr $defaults.expr) "values" $chosen) -}}
{{- $rule := dict "alert" $name "expr" $expr "for" (get $chosen "for") "labels" $labels "annotations" $annotations -}}
{{- $_ := set $rules $alert.group (append (get $rules $alert.group | default list) $rule) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $groups := list -}}
{{- range $group := list "galera-recording" "galera-cluster" "galera-node" "galera-replication" "galera-registry" "galera-etcd" "galera-observer" "galera-exporter" -}}
{{- with get $rules $group -}}
{{- $groups = append $groups (dict "name" $group "rules" .) -}}
{{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
