{{/* What Dagster's own processes share: instance, workspace, database. */}}

{{- define "ma.dagsterHome" -}}/opt/dagster/dagster_home{{- end }}

{{/* Through the pooler where there is one: dagster_postgres opens a connection for each query. */}}
{{- define "ma.postgresqlHost" -}}
{{- if .Values.postgresql.enabled -}}
{{- printf "%s-postgresql-pooler" .Release.Name -}}
{{- else -}}
{{- .Values.postgresql.host -}}
{{- end -}}
{{- end }}

{{/* The server's folder among the backups. It has the namespace in it, so that a drill in another one does not write here. */}}
{{- define "ma.postgresqlFolder" -}}
{{- .Values.postgresql.backup.serverName | default (printf "%s-%s-%s" .Values.environment .Release.Namespace .Release.Name) -}}
{{- end }}

{{/* The operator writes this Secret of the databases' owner; elsewhere an administrator does. */}}
{{- define "ma.postgresqlSecret" -}}
{{- if .Values.postgresql.enabled -}}
{{- printf "%s-postgresql-app" .Release.Name -}}
{{- else -}}
{{- .Values.postgresql.secretName -}}
{{- end -}}
{{- end }}

{{- define "ma.dagsterEnv" -}}
- {name: DAGSTER_HOME, value: {{ include "ma.dagsterHome" . }}}
- {name: DAGSTER_DISABLE_TELEMETRY, value: "yes"}
- name: DAGSTER_PG_USERNAME
  valueFrom: {secretKeyRef: {name: {{ include "ma.postgresqlSecret" . }}, key: username}}
- name: DAGSTER_PG_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "ma.postgresqlSecret" . }}, key: password}}
{{ include "ma.bucketVariables" (dict "root" .) }}
{{- end }}

{{/* The whole environment of code: Dagster's and the platform's, with both users of the event log. */}}
{{- define "ma.codeEnv" -}}
{{ include "ma.dagsterEnv" . }}
{{- include "ma.variables" (dict "prefix" "MEDIA_ANALYTICS_" "values" (include "ma.settings" . | fromYaml)) }}
{{- include "ma.secretVariables" (dict "root" .) }}
{{- include "ma.kafkaUser" (dict "root" . "user" "dagster") }}
{{- include "ma.kafkaUser" (dict "root" . "user" "replay" "purpose" "replay") }}
{{- end }}

{{/* A file of the instance is mounted alone, so Kubernetes does not renew it: a changed one must restart the pods. */}}
{{- define "ma.dagsterChecksums" -}}
checksum/instance: {{ include (print .Template.BasePath "/dagster-instance.yaml") . | sha256sum }}
{{- end }}

{{- define "ma.dagsterMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: dagster-home, mountPath: {{ include "ma.dagsterHome" .root }}}
- {name: instance, mountPath: {{ include "ma.dagsterHome" .root }}/dagster.yaml, subPath: dagster.yaml, readOnly: true}
{{- if .workspace }}
- {name: instance, mountPath: /opt/dagster/workspace.yaml, subPath: workspace.yaml, readOnly: true}
{{- end }}
{{- end }}

{{- define "ma.dagsterVolumes" -}}
- name: tmp
  emptyDir: {}
- name: dagster-home
  emptyDir: {}
- name: instance
  configMap: {name: {{ include "ma.name" (dict "root" . "component" "dagster-instance") }}}
{{- end }}

{{/* Folders of code: its home, the health files of sink and stream, the event log's authority. */}}
{{- define "ma.codeMounts" -}}
- {name: home, mountPath: /var/lib/media-analytics}
- {name: health, mountPath: /var/lib/media-analytics/run, readOnly: true}
{{- include "ma.kafkaAuthority" (dict "root" .) }}
{{- end }}

{{- define "ma.codeVolumes" -}}
- name: home
  emptyDir: {}
- name: health
  persistentVolumeClaim: {claimName: {{ include "ma.name" (dict "root" . "component" "health") }}}
{{- include "ma.kafkaAuthorityVolume" (dict "root" .) }}
{{- end }}
