#!/bin/sh
# Writes docker/.env, once: random credentials of docker/compose.yaml and the profile that `docker compose up` takes.
set -eu
cd "$(dirname "$0")"
file=${1:-.env}
if [ -e "$file" ]; then
  echo "$file is there and stays: the stores know its passwords"
  exit 0
fi
random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }
umask 077
{
  echo "# Written by docker/make_env.sh. Whoever has this file can read everything."
  echo "COMPOSE_PROFILES=full"
  for name in CLICKHOUSE__PASSWORD CLICKHOUSE__READER_PASSWORD DASHBOARD__TOKEN PRIVACY__DEAD_LETTER_KEY \
    PRIVACY__IMPORT_KEY; do
    echo "MEDIA_ANALYTICS_$name=$(random)"
  done
  echo "VISITOR_KEY=$(random)"
  echo "DAGSTER_PG_PASSWORD=$(random)"
} > "$file.new"
mv "$file.new" "$file"
echo "wrote $file"
