{{/* How one sees that a process lives: its pages, or the health file that it writes every two seconds. A process that
makes no progress ends itself after 180 s. */}}
{{- define "ma.probes" -}}
{{- $p := .process -}}
{{- if $p.health -}}
{{- $file := printf "/var/lib/media-analytics/run/%s.health.json" $p.health -}}
startupProbe:
  exec: {command: [sh, -c, {{ printf "test -f %s" $file | quote }}]}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  exec: {command: [sh, -c, {{ printf "test -n \"$(find %s -mmin -1)\"" $file | quote }}]}
  periodSeconds: 20
  failureThreshold: 3
readinessProbe:
  exec: {command: [sh, -c, {{ printf "grep -q '\"state\": \"ready\"' %s" $file | quote }}]}
  periodSeconds: 10
{{- else if $p.livePath -}}
{{- $host := "" -}}
{{- if eq $p.values "dashboardApi" -}}{{- $host = printf "%s-dashboard-api:%v" .root.Release.Name .port -}}{{- end -}}
startupProbe:
  {{- include "ma.get" (dict "path" $p.livePath "host" $host) | nindent 2 }}
  periodSeconds: 5
  failureThreshold: 24
livenessProbe:
  {{- include "ma.get" (dict "path" $p.livePath "host" $host) | nindent 2 }}
  periodSeconds: 20
readinessProbe:
  {{- include "ma.get" (dict "path" ($p.readyPath | default $p.livePath) "host" $host) | nindent 2 }}
  periodSeconds: 5
{{- else -}}
{{/* Its pages want a token; that the port is open must do. */}}
readinessProbe:
  tcpSocket: {port: http}
  periodSeconds: 5
livenessProbe:
  tcpSocket: {port: http}
  periodSeconds: 20
  initialDelaySeconds: 30
{{- end }}
{{- end }}

{{/* The dashboard's API answers only under its own name. */}}
{{- define "ma.get" -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- with .host }}
  httpHeaders: [{name: Host, value: {{ . | quote }}}]
  {{- end }}
timeoutSeconds: 5
{{- end }}
