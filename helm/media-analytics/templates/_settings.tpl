{{/* The settings of the platform as variables of its processes. */}}

{{/* What contracts and settings model say: topics, users, secrets, environments with a daily run. Generated. */}}
{{- define "ma.platform" -}}
{{- .Files.Get "files/platform.yaml" -}}
{{- end }}

{{/* What the chart knows by itself: addresses of what it runs. `settings` of the values lies over it. */}}
{{- define "ma.settings" -}}
{{- $v := .Values -}}
{{- $own := dict
    "environment" $v.environment
    "home" "/var/lib/media-analytics"
    "lake" (dict "url" (printf "s3a://%s" $v.buckets.lake))
    "collector" (dict "url" (printf "http://%s-collector:8088" .Release.Name))
    "dagster" (dict "url" (printf "http://%s-dagster-webserver:3000" .Release.Name))
    "dashboard" (dict
      "url" (printf "http://%s-dashboard-api:8090" .Release.Name)
      "page_url" (include "ma.pageUrl" .)
      "listen_host" "0.0.0.0")
    "enrichment" (dict "geo_database" "/opt/media-analytics/data/geo.mmdb" "referrers" "/opt/media-analytics/data/referrers.json")
    "spark" (dict "live_checkpoints" (printf "s3a://%s/live-checkpoints" $v.buckets.lake))
-}}
{{- if $v.kafka.enabled -}}
{{- $_ := set $own "kafka" (dict "bootstrap_servers" (printf "%s-kafka-kafka-bootstrap:9093" .Release.Name) "security_protocol" "SASL_SSL") -}}
{{- end -}}
{{- if $v.registry.enabled -}}
{{- $_ := set $own "registry" (dict "url" (printf "http://%s-registry:8080/apis/ccompat/v7" .Release.Name)) -}}
{{- end -}}
{{- if $v.clickhouse.enabled -}}
{{- $_ := set $own "clickhouse" (dict "url" (printf "http://clickhouse-%s:8123" .Release.Name)) -}}
{{- end -}}
{{- if $v.buckets.servedToClickHouse -}}
{{- $_ := set $own "clickhouse" (merge (dict
      "lake_url" (printf "%s/%s" (trimSuffix "/" (include "ma.bucketEndpoint" .)) $v.buckets.lake) "lake_collection" "lake")
      (get $own "clickhouse" | default dict)) -}}
{{- end -}}
{{- if $v.sparkConnect.enabled -}}
{{- $_ := set $own.spark "remote" (printf "sc://%s-spark-connect:15002" .Release.Name) -}}
{{- end -}}
{{- $all := mergeOverwrite $own (deepCopy $v.settings) -}}
{{- if eq (include "ma.kafkaIsSecured" .) "true" -}}
{{- $_ := set $all.kafka "ssl_ca_location" "/etc/media-analytics/kafka/ca.crt" -}}
{{- end -}}
{{- toYaml $all -}}
{{- end }}

{{- define "ma.pageUrl" -}}
{{- $host := .Values.ingress.dashboard.host -}}
{{- if $host -}}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tlsSecret))) $host -}}
{{- else -}}
{{- printf "http://%s-dashboard:8091" .Release.Name -}}
{{- end -}}
{{- end }}

{{- define "ma.kafkaIsSecured" -}}
{{- $said := dig "kafka" "security_protocol" "PLAINTEXT" .Values.settings -}}
{{- or .Values.kafka.enabled (eq $said "SASL_SSL") -}}
{{- end }}

{{/* Nested values as MEDIA_ANALYTICS_A__B; lists as JSON, as `load_settings` reads them. */}}
{{- define "ma.variables" -}}
{{- range $key, $value := .values }}
{{- $name := printf "%s%s" $.prefix (upper $key) }}
{{- if kindIs "map" $value }}
{{- include "ma.variables" (dict "prefix" (printf "%s__" $name) "values" $value) }}
{{- else if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Secret settings, each by name: a pod whose Secret lacks one does not start and says which. */}}
{{- define "ma.secretVariables" -}}
{{- range $name, $needed := (include "ma.platform" .root | fromYaml).secrets }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $.root.Values.secrets.name }}
      key: {{ $name }}
      {{- if not $needed }}
      optional: true
      {{- end }}
{{- end }}
{{- end }}

{{/* Who the process is in the event log. `purpose` sets a further user beside its own. */}}
{{- define "ma.kafkaUser" -}}
{{- if eq (include "ma.kafkaIsSecured" .root) "true" }}
{{- $prefix := "MEDIA_ANALYTICS_KAFKA__SASL_" }}
{{- with .purpose }}{{- $prefix = printf "MEDIA_ANALYTICS_KAFKA__USERS__%s__" (upper .) }}{{- end }}
- name: {{ $prefix }}USERNAME
  value: {{ .user }}
- name: {{ $prefix }}PASSWORD
  valueFrom:
    secretKeyRef:
      {{- if .root.Values.kafka.enabled }}
      name: {{ .user }}
      key: password
      {{- else }}
      name: {{ .root.Values.kafka.usersSecret }}
      key: {{ .user }}
      {{- end }}
{{- end }}
{{- end }}

{{/* Where the buckets are; empty: at AWS. */}}
{{- define "ma.bucketEndpoint" -}}
{{- if .Values.objectStore.enabled -}}
{{- printf "http://%s-object-store:8333" .Release.Name -}}
{{- else -}}
{{- .Values.buckets.endpoint -}}
{{- end -}}
{{- end }}

{{/* What the chart's own object store makes when it starts. */}}
{{- define "ma.ownBuckets" -}}
{{- list .Values.buckets.lake .Values.buckets.logs .Values.buckets.backups | compact | uniq | join "," -}}
{{- end }}

{{/* Access to the buckets, as every S3 client reads it. */}}
{{- define "ma.bucketVariables" -}}
- {name: AWS_REGION, value: {{ .root.Values.buckets.region }}}
{{- with include "ma.bucketEndpoint" .root }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- if hasPrefix "http://" . }}
# delta-rs asks to be told that this is meant.
- {name: AWS_ALLOW_HTTP, value: "true"}
{{- end }}
{{- end }}
{{- with .root.Values.buckets.secretName }}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $.root.Values.buckets.secretName }}, key: {{ . }}}}
{{- end }}
{{- end }}
{{- end }}

{{/* Everything a process of the platform finds in its environment. `own` are settings of this process alone. */}}
{{- define "ma.env" -}}
{{- $settings := include "ma.settings" .root | fromYaml }}
{{- with .own }}{{- $settings = mergeOverwrite $settings . }}{{- end }}
{{- include "ma.variables" (dict "prefix" "MEDIA_ANALYTICS_" "values" $settings) }}
{{- include "ma.secretVariables" . }}
{{- with .user }}{{- include "ma.kafkaUser" (dict "root" $.root "user" .) }}{{- end }}
{{ include "ma.bucketVariables" . }}
{{- end }}
