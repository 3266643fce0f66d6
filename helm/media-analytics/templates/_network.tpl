{{/* Selectors and ports of everything that files/network.yaml names. */}}

{{- define "ma.podsOf" -}}
{{- $release := .root.Release.Name -}}
{{- if eq .name "dagster-run" -}}
app.kubernetes.io/component: run_worker
media-analytics.io/release: {{ $release }}
{{- else if eq .name "kafka" -}}
strimzi.io/cluster: {{ $release }}-kafka
{{- else if eq .name "clickhouse" -}}
clickhouse.altinity.com/chi: {{ $release }}
{{- else if eq .name "keeper" -}}
clickhouse-keeper.altinity.com/chk: {{ $release }}
{{- else if eq .name "objectStore" -}}
{{ include "ma.selector" (dict "root" .root "component" "object-store") }}
{{- else if eq .name "postgresql" -}}
cnpg.io/poolerName: {{ $release }}-postgresql-pooler
{{- else -}}
{{ include "ma.selector" (dict "root" .root "component" .name) }}
{{- end -}}
{{- end }}

{{/* Ports on which a server of this namespace is spoken to. */}}
{{- define "ma.portsOf" -}}
{{- $dashboard := ternary 80 8091 (not (empty .root.Values.ingress.dashboard.host)) -}}
{{- $ports := dict "kafka" (list 9093) "clickhouse" (list 8123) "postgresql" (list 5432) "registry" (list 8080)
    "spark-connect" (list 15002) "collector" (list 8088) "dashboard-api" (list 8090) "dashboard" (list $dashboard)
    "dagster-webserver" (list 3000) "objectStore" (list 8333) -}}
{{- range (index .root.Values "dagster-user-deployments").deployments -}}
{{- $_ := set $ports .name (list .port) -}}
{{- end -}}
{{- range get $ports .name }}
- {protocol: TCP, port: {{ . }}}
{{- end }}
{{- end }}

{{/* The pods that may reach a server. */}}
{{- define "ma.clientsOf" -}}
{{- range $client, $facts := .root.Files.Get "files/network.yaml" | fromYaml }}
{{- if and (has $.server $facts.reaches) (ne $client $.server) }}
- podSelector:
    matchLabels: {{- include "ma.podsOf" (dict "root" $.root "name" $client) | nindent 6 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "ma.namespace" -}}
namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: {{ . }}}}
{{- end }}

{{/* "true" where the target is no pod of this namespace. */}}
{{- define "ma.isOutside" -}}
{{- $switch := dict "kafka" "kafka" "registry" "registry" "clickhouse" "clickhouse" "postgresql" "postgresql"
    "spark-connect" "sparkConnect" "objectStore" "objectStore" -}}
{{- if hasKey $switch .name -}}
{{- not (get .root.Values (get $switch .name)).enabled -}}
{{- else -}}
{{- hasKey .root.Values.networkPolicy.outside .name -}}
{{- end -}}
{{- end }}
