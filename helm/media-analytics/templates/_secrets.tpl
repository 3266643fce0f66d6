{{/* Secrets that somebody must have made before: what the chart names and neither it nor an operator makes. */}}

{{/* A list: name, keys, and the value that names it. */}}
{{- define "ma.neededSecrets" -}}
{{- $v := .Values -}}
{{- $platform := include "ma.platform" . | fromYaml -}}
{{- $keys := list -}}
{{- range $name, $needed := $platform.secrets }}{{ if $needed }}{{ $keys = append $keys $name }}{{ end }}{{ end -}}
{{- $all := list (dict "name" $v.secrets.name "keys" $keys "value" "secrets.name") -}}
{{- with $v.buckets.secretName -}}
{{- $all = append $all (dict "name" . "keys" (list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY") "value" "buckets.secretName") -}}
{{- end -}}
{{- if and (not $v.kafka.enabled) (eq (include "ma.kafkaIsSecured" .) "true") -}}
{{- $all = append $all (dict "name" $v.kafka.usersSecret "keys" (append (keys $platform.users | sortAlpha) "ca.crt") "value" "kafka.usersSecret") -}}
{{- end -}}
{{- if not $v.postgresql.enabled -}}
{{- $all = append $all (dict "name" $v.postgresql.secretName "keys" (list "username" "password") "value" "postgresql.secretName") -}}
{{- end -}}
{{- range $v.images.pullSecrets -}}
{{- $all = append $all (dict "name" . "keys" (list ".dockerconfigjson") "value" "images.pullSecrets") -}}
{{- end -}}
{{- toYaml $all -}}
{{- end }}

{{/* Nothing is changed where a pod would wait for a Secret for ever. Without a cluster (`helm template`, a dry run of the
client) no object is found, not even the account that each namespace has, and nothing is said. */}}
{{- define "ma.missingSecrets" -}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" -}}
{{- $missing := list -}}
{{- $create := list -}}
{{- range include "ma.neededSecrets" . | fromYamlArray -}}
{{- $found := lookup "v1" "Secret" $.Release.Namespace .name -}}
{{- $lacks := list -}}
{{- range .keys }}{{ if not (hasKey ((($found).data) | default dict) .) }}{{ $lacks = append $lacks . }}{{ end }}{{ end -}}
{{- if not $found -}}
{{- $missing = append $missing (printf "the Secret %s (%s) is not in the namespace %s; it must hold %s" .name .value $.Release.Namespace (join ", " .keys)) -}}
{{- $create = append $create (printf "kubectl -n %s create secret generic %s --from-env-file=FILE with a line NAME=value for each" $.Release.Namespace .name) -}}
{{- else if $lacks -}}
{{- $missing = append $missing (printf "the Secret %s (%s) in the namespace %s has no %s" .name .value $.Release.Namespace (join ", " $lacks)) -}}
{{- $create = append $create (printf "kubectl -n %s patch secret %s -p '{\"stringData\":{\"%s\":\"...\"}}'" $.Release.Namespace .name (first $lacks)) -}}
{{- end -}}
{{- end -}}
{{- if $missing -}}
{{- fail (printf "%s. Nothing was changed. To mend it: %s" (join "; " $missing) (join "; " $create)) -}}
{{- end -}}
{{- end -}}
{{- end }}
