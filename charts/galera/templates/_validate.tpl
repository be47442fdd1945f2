{{/*
What a schema cannot say: values that contradict one another, or would end in a cluster that does not work. Each message
names the value, what is wrong, and what to do.
*/}}
{{- define "galera.validate" -}}
{{- $faults := list -}}
{{- range $check := list "names" "etcd" "tls" "auth" "mariadb" "services" "metrics" -}}
{{- $faults = concat $faults (include (printf "galera.validate.%s" $check) $ | trim | splitList "\n") -}}
{{- end -}}
{{- with compact $faults -}}
{{- fail (printf "\n\nThese values cannot be used:\n  - %s\n" (join "\n  - " .)) -}}
{{- end -}}
{{- end -}}

{{- define "galera.validate.names" -}}
{{- $name := include "galera.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $name) }}
fullnameOverride: objects would be called {{ $name | quote }}, and the name of a Service begins with a letter and has only a-z, 0-9 and '-': set another one
{{- end }}
{{- end -}}

{{- define "galera.validate.etcd" -}}
{{- $external := .Values.etcd.external }}
{{- if and .Values.etcd.enabled $external.endpoints }}
etcd.external.endpoints: are not used while etcd.enabled is true: set etcd.enabled=false, or leave them out
{{- end }}
{{- if not .Values.etcd.enabled }}
{{- if not $external.endpoints }}
etcd.external.endpoints: is empty while etcd.enabled is false: name the members of your etcd, or enable the chart's own
{{- end }}
{{- $schemes := list }}
{{- range $external.endpoints }}
{{- $schemes = append $schemes (first (splitList ":" .)) }}
{{- end }}
{{- if gt (len (uniq $schemes)) 1 }}
etcd.external.endpoints: mix http and https: use one of them for all members
{{- end }}
{{- if and $external.tlsSecret (has "http" $schemes) }}
etcd.external.tlsSecret: the endpoints are http: write https, or leave the Secret out
{{- end }}
{{- if and $external.clientCertificate (not $external.tlsSecret) }}
etcd.external.clientCertificate: needs etcd.external.tlsSecret, the Secret with tls.crt and tls.key
{{- end }}
{{- if and $external.user (not $external.existingSecret) }}
etcd.external.user: needs etcd.external.existingSecret, a Secret with its password
{{- end }}
{{- if and $external.existingSecret (not $external.user) }}
etcd.external.existingSecret: needs etcd.external.user, the user whose password it has
{{- end }}
{{- if .Values.etcd.auth.enabled }}
etcd.auth.enabled: is for the chart's own etcd; of another one give etcd.external.user
{{- end }}
{{- end }}
{{- if and .Values.etcd.auth.existingSecret (not .Values.etcd.auth.enabled) }}
etcd.auth.existingSecret: is not used while etcd.auth.enabled is false
{{- end }}
{{- if lt (float64 .Values.exporter.takeoverTimeout) (mulf 1.5 .Values.exporter.etcdTTL) }}
exporter.takeoverTimeout: must be at least 1.5 times exporter.etcdTTL, {{ mulf 1.5 .Values.exporter.etcdTTL }}: a node's key must have ended before another takes over
{{- end }}
{{- end -}}

{{- define "galera.validate.tls" -}}
{{- $tls := .Values.tls }}
{{- if $tls.enabled }}
{{- if and $tls.existingSecret $tls.certManager.enabled }}
tls.existingSecret: contradicts tls.certManager.enabled: one of them brings the certificate
{{- else if not (or $tls.existingSecret $tls.certManager.enabled) }}
tls.enabled: needs a certificate: set tls.existingSecret, or tls.certManager.enabled with an issuer
{{- end }}
{{- if eq .Values.galera.sstMethod "rsync" }}
galera.sstMethod: rsync would send the data in the clear: use mariabackup with tls.enabled
{{- end }}
{{- if and $tls.certManager.enabled (not (get $tls.certManager.issuerRef "name")) }}
tls.certManager.issuerRef.name: is empty: name the Issuer
{{- end }}
{{- else if or $tls.existingSecret $tls.certManager.enabled $tls.requireSecureTransport }}
tls.enabled: is false, and other values of tls are set: enable it, or leave them out
{{- end }}
{{- end -}}

{{- define "galera.validate.auth" -}}
{{- $auth := .Values.auth }}
{{- if and $auth.existingSecret (or $auth.rootPassword $auth.password) }}
auth.existingSecret: contradicts auth.rootPassword and auth.password: put the passwords into that Secret, as root-password and password
{{- end }}
{{- if and $auth.rootRemote (not (or $auth.rootPassword $auth.existingSecret)) }}
auth.rootRemote: needs auth.rootPassword, or a Secret in auth.existingSecret that has root-password
{{- end }}
{{- if and $auth.password (not $auth.username) }}
auth.password: needs auth.username, the account to create
{{- end }}
{{- if has $auth.username (list "root" "mysql" "mariadb.sys" "exporter" "operator") }}
auth.username: {{ $auth.username }} is an account of MariaDB's or of the chart's own: choose another name
{{- end }}
{{- if has (lower $auth.database) (list "mysql" "sys" "information_schema" "performance_schema") }}
auth.database: {{ $auth.database }} is one of MariaDB's own: choose another name
{{- end }}
{{- end -}}

{{- define "galera.validate.mariadb" -}}
{{- range $option := list "gmcast.listen_addr" "ist.recv_addr" "ist.recv_bind" "pc.bootstrap" "pc.recovery" "socket.ssl" "socket.ssl_ca" "socket.ssl_cert" "socket.ssl_key" }}
{{- if hasKey $.Values.galera.providerOptions $option }}
galera.providerOptions: {{ $option }} is set by the chart, or by the protocol of the start: leave it out
{{- end }}
{{- end }}
{{- range $option, $value := .Values.galera.providerOptions }}
{{- if or (contains ";" (toString $value)) (contains "=" (toString $value)) }}
galera.providerOptions: {{ $option }}: a value has no ';' and no '='; write one option a line
{{- end }}
{{- end }}
{{- $config := .Values.mariadb.config }}
{{- if and $config (not (regexMatch "\\A(\\s*([#;][^\\n]*)?\\n)*\\s*\\[" $config)) }}
mariadb.config: must begin with a section, such as [mariadbd]
{{- end }}
{{- $owned := "(?im)^\\s*(loose[-_])?(wsrep[-_](provider|on|new[-_]cluster|start[-_]position|cluster[-_](address|name)|node[-_](name|address)|sst[-_](method|auth)|provider[-_]options)|datadir|socket|port|pid[-_]file|ssl[-_](ca|cert|key)|binlog[-_]format|innodb[-_]autoinc[-_]lock[-_]mode|lower[-_]case[-_]table[-_]names)\\s*(=|$)" }}
{{- range $line := regexFindAll $owned $config -1 }}
mariadb.config: {{ $line | trimSuffix "=" | trim }} is set by the chart: leave it out (galera.providerOptions, galera.sstMethod, mariadb.lowerCaseTableNames and tls are values of their own)
{{- end }}
{{- range $name, $_ := .Values.mariadb.initdbScripts }}
{{- if not (hasSuffix ".sql" $name) }}
mariadb.initdbScripts: {{ $name }}: only files *.sql are run
{{- end }}
{{- end }}
{{- end -}}

{{- define "galera.validate.services" -}}
{{- range $name, $service := dict "service" .Values.service "primaryService" .Values.primaryService }}
{{- if and $service.nodePort (eq $service.type "ClusterIP") }}
{{ $name }}.nodePort: needs {{ $name }}.type NodePort or LoadBalancer
{{- end }}
{{- end }}
{{- if and .Values.observer.enabled (hasKey .Values.podLabels "galera.role") }}
podLabels: galera.role is the observer's: with it on all pods the write Service would have no single node
{{- end }}
{{- end -}}

{{- define "galera.validate.metrics" -}}
{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled }}
metrics.serviceMonitor.enabled: with metrics.podMonitor.enabled everything would be scraped twice: enable one of them
{{- end }}
{{- end -}}
