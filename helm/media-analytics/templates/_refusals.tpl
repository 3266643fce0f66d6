{{/* What the schema cannot say because it needs two values. Each message names both and the fix. */}}
{{- define "ma.refusals" -}}
{{- $v := .Values -}}
{{- range tuple
    (list "kafka" "bootstrap_servers") (list "registry" "url") (list "clickhouse" "url") (list "sparkConnect" "remote") -}}
{{- $part := index . 0 -}}
{{- $section := ternary "spark" $part (eq $part "sparkConnect") -}}
{{- $address := dig $section (index . 1) "" $v.settings -}}
{{- if and (not (get $v $part).enabled) (not $address) -}}
{{- fail (printf "%s.enabled is false, so it lies elsewhere: set settings.%s.%s to its address" $part $section (index . 1)) -}}
{{- end -}}
{{- if and (get $v $part).enabled $address -}}
{{- fail (printf "settings.%s.%s names another %s, but %s.enabled is true: set one of them" $section (index . 1) $part $part) -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.postgresql.enabled) (not (and $v.postgresql.host $v.postgresql.secretName)) -}}
{{- fail "postgresql.enabled is false, so it lies elsewhere: set postgresql.host and postgresql.secretName" -}}
{{- end -}}
{{- with $v.postgresql -}}
{{- if and .enabled .backup.enabled (not $v.buckets.backups) -}}
{{- fail "postgresql.backup.enabled is true: set buckets.backups to the bucket that keeps the log of changes, or turn it off and lose all since the last dump" -}}
{{- end -}}
{{- if and .recovery.serverName (not .backup.enabled) -}}
{{- fail "postgresql.recovery.serverName needs postgresql.backup.enabled: the backups are where backups go" -}}
{{- end -}}
{{- if and .recovery.targetTime (not .recovery.serverName) -}}
{{- fail "postgresql.recovery.targetTime says until when, postgresql.recovery.serverName of what: set both" -}}
{{- end -}}
{{- if and .recovery.serverName (eq .recovery.serverName (include "ma.postgresqlFolder" $)) -}}
{{- fail (printf "postgresql.recovery.serverName is %s, the folder that the new server would write to: set postgresql.backup.serverName to another one" .recovery.serverName) -}}
{{- end -}}
{{- end -}}
{{- if and (not $v.kafka.enabled) (eq (include "ma.kafkaIsSecured" .) "true") (not $v.kafka.usersSecret) -}}
{{- fail "settings.kafka.security_protocol is SASL_SSL and kafka.enabled is false: set kafka.usersSecret to the Secret with the users' passwords and ca.crt" -}}
{{- end -}}
{{- $factor := dig "kafka" "replication_factor" 3 $v.settings | int -}}
{{- if and $v.kafka.enabled (gt $factor (int $v.kafka.brokers.replicas)) -}}
{{- fail (printf "settings.kafka.replication_factor is %d, more than kafka.brokers.replicas %d: topics could not be created" $factor (int $v.kafka.brokers.replicas)) -}}
{{- end -}}
{{- $platform := include "ma.platform" . | fromYaml -}}
{{- $partitions := (get $platform.topics "user.raw").partitions | int -}}
{{- if gt (int $v.enricher.autoscaling.maxReplicas) $partitions -}}
{{- fail (printf "enricher.autoscaling.maxReplicas is %d, more than the %d partitions of user.raw: the others would be idle" (int $v.enricher.autoscaling.maxReplicas) $partitions) -}}
{{- end -}}
{{- if gt (int $v.enricher.replicaCount) $partitions -}}
{{- fail (printf "enricher.replicaCount is %d, more than the %d partitions of user.raw" (int $v.enricher.replicaCount) $partitions) -}}
{{- end -}}
{{- range $part := tuple "collector" "dagsterWebserver" "enricher" -}}
{{- with (get $v $part).autoscaling -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is %d, more than its maxReplicas %d" $part (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $v.sparkConnect.executors -}}
{{- if gt (int .min) (int .max) -}}
{{- fail (printf "sparkConnect.executors.min is %d, more than its max %d" (int .min) (int .max)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.kafka.enabled (ne (dig "kafka" "security_protocol" "SASL_SSL" $v.settings) "SASL_SSL") -}}
{{- fail "settings.kafka.security_protocol must be SASL_SSL (or left out) while kafka.enabled is true: the chart's event log takes nothing else" -}}
{{- end -}}
{{- if and (has $v.environment $platform.scheduled) (not (dig "video" "landing" "" $v.settings)) -}}
{{- fail (printf "%s loads video files every day: set settings.video.landing to the folder, for example s3a://landing/video" $v.environment) -}}
{{- end -}}
{{- $variant := dig "clickhouse" "variant" "plain" $v.settings -}}
{{- if and $v.clickhouse.enabled (eq $variant "plain") (gt (mul (int $v.clickhouse.replicas) (int $v.clickhouse.shards)) 1) -}}
{{- fail "clickhouse.replicas and shards above 1 need settings.clickhouse.variant replicated; plain tables would differ between servers" -}}
{{- end -}}
{{- if and $v.ingress.dagsterWebserver.host (empty $v.ingress.dagsterWebserver.annotations) -}}
{{- fail "ingress.dagsterWebserver.host makes Dagster's page public, which has no authentication: ingress.dagsterWebserver.annotations must bring some" -}}
{{- end -}}
{{- if and $v.objectStore.enabled $v.buckets.endpoint -}}
{{- fail "buckets.endpoint names another object store, but objectStore.enabled is true: set one of them" -}}
{{- end -}}
{{- if and $v.objectStore.enabled (not $v.buckets.secretName) -}}
{{- fail "objectStore.enabled needs buckets.secretName: the Secret with the AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY that it lets in" -}}
{{- end -}}
{{- if and $v.buckets.servedToClickHouse (not (and $v.buckets.secretName (include "ma.bucketEndpoint" .))) -}}
{{- fail "buckets.servedToClickHouse needs buckets.secretName and buckets.endpoint: ClickHouse has no service account's role" -}}
{{- end -}}
{{- if not (dig "channels" "runbooks_url" "" $v.settings) -}}
{{- fail "settings.channels.runbooks_url is not set: outside a laptop whoever is told of a failure needs the web address of docs/runbooks" -}}
{{- end -}}
{{- if not (and (dig "channels" "smtp" "host" "" $v.settings) (dig "channels" "smtp" "sender" "" $v.settings)) -}}
{{- fail "settings.channels.smtp.host and settings.channels.smtp.sender are not set: nobody would hear of a failure" -}}
{{- end -}}
{{- include "ma.missingSecrets" . -}}
{{- end }}
