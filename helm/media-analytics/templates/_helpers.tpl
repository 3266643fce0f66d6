{{/* Names, labels and what every pod of the platform has in common. */}}

{{- define "ma.name" -}}
{{- printf "%s-%s" .root.Release.Name .component | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "ma.selector" -}}
app.kubernetes.io/name: media-analytics
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "ma.labels" -}}
{{ include "ma.selector" . }}
app.kubernetes.io/version: {{ .root.Values.images.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "ma.metadata" -}}
name: {{ include "ma.name" . }}
namespace: {{ .root.Release.Namespace }}
labels: {{- include "ma.labels" . | nindent 2 }}
{{- end }}

{{- define "ma.image" -}}
{{- $images := .root.Values.images -}}
{{- printf "%s/%s:%s" $images.registry .name ($images.tag | default .root.Chart.AppVersion) -}}
{{- end }}

{{/* Cluster-wide objects carry the namespace in their name: two installations must not share one. */}}
{{- define "ma.clusterName" -}}
{{- printf "%s-%s-%s" .root.Release.Namespace .root.Release.Name .component -}}
{{- end }}

{{/* Pod and container security as PodSecurity `restricted` wants it, and a root file system nobody writes. */}}
{{- define "ma.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "ma.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What a pod says of where it runs. */}}
{{- define "ma.placement" -}}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets: {{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- with .root.Values.global.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.global.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Replicas of one process on different nodes. */}}
{{- define "ma.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "ma.selector" . | nindent 8 }}
{{- end }}

{{/* Folders that a process may write: its home and /tmp; they end with the pod. */}}
{{- define "ma.writable" -}}
- {name: tmp, mountPath: /tmp}
- {name: home, mountPath: /var/lib/media-analytics}
{{- end }}

{{- define "ma.writableVolumes" -}}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- end }}

{{/* The authority that signed the event log's certificates, beside the credentials in variables. */}}
{{- define "ma.kafkaAuthority" -}}
{{- if eq (include "ma.kafkaIsSecured" .root) "true" }}
- {name: kafka-authority, mountPath: /etc/media-analytics/kafka, readOnly: true}
{{- end }}
{{- end }}

{{- define "ma.kafkaAuthorityVolume" -}}
{{- if eq (include "ma.kafkaIsSecured" .root) "true" }}
- name: kafka-authority
  secret:
    secretName: {{ ternary (printf "%s-kafka-cluster-ca-cert" .root.Release.Name) .root.Values.kafka.usersSecret .root.Values.kafka.enabled }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end }}
