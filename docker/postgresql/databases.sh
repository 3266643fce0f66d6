#!/bin/sh
# `databases.sh backup FOLDER`, `databases.sh restore FOLDER`: the databases that PostgreSQL holds, Dagster's (`dagster`) and the
# schema registry's (`registry`). WHERE says where it runs: compose (the default), kubernetes (then NAMESPACE, default
# analytics, and RELEASE, default media-analytics) or here (psql's own variables). The tools are those beside the server,
# so their versions fit.
set -eu
here=$(dirname "$0")
databases="registry dagster"
umask 077

fail() {
  echo "error: $1" >&2
  exit 1
}

# Runs a command beside the server, as a user who may do everything.
server() {
  case "${WHERE:-compose}" in
  compose) docker compose -f "$here/../compose.yaml" exec -T -e PGUSER=dagster postgresql "$@" ;;
  kubernetes) kubectl -n "${NAMESPACE:-analytics}" exec -i "svc/${RELEASE:-media-analytics}-postgresql-rw" -c postgres -- "$@" ;;
  here) "$@" ;;
  *) fail "WHERE is $WHERE; expected compose, kubernetes or here" ;;
  esac
}

sql() {
  database=$1
  shift
  server psql -X -A -t -v ON_ERROR_STOP=1 -d "$database" "$@" < /dev/null
}

sums() {
  for name in $databases; do
    echo "$name $(server sha256sum < "$1/$name.dump")"
  done
}

folder=${2:-}
[ -n "$folder" ] || fail "expected: databases.sh backup|restore FOLDER"
case "$1" in
backup)
  [ ! -e "$folder" ] || fail "$folder is there already; a backup gets a folder of its own: name a new one"
  rm -rf "$folder.partial"
  mkdir -p "$folder.partial"
  for name in $databases; do
    server pg_dump --format=custom -d "$name" < /dev/null > "$folder.partial/$name.dump"
    # A file that ends too early has no list, or not all of it.
    server pg_restore --file=- < "$folder.partial/$name.dump" > /dev/null
  done
  sums "$folder.partial" > "$folder.partial/SHA256SUMS"
  sync
  # The folder has its name only when it is whole.
  mv "$folder.partial" "$folder"
  echo "written to $folder"
  ;;
restore)
  [ -f "$folder/SHA256SUMS" ] || fail "$folder is no backup: it has no SHA256SUMS"
  for name in $databases; do
    [ -f "$folder/$name.dump" ] || fail "the backup is damaged: $folder has no $name.dump; take another one"
  done
  sums "$folder" | cmp -s - "$folder/SHA256SUMS" || fail "the backup is damaged: a file is not what SHA256SUMS says; take another one"
  for name in $databases; do
    [ -n "$(sql postgres -c "SELECT 1 FROM pg_database WHERE datname = '$name'")" ] ||
      fail "the server has no database $name: start the installation once before it gets its data back"
  done
  aside=$(date -u +%Y%m%dt%H%M%Sz)
  renames=
  for name in $databases; do
    # Beside the one that is there, which stays as it is until both are whole.
    owner=$(sql postgres -c "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = '$name'")
    sql postgres -c "DROP DATABASE IF EXISTS ${name}_restoring" \
      -c "CREATE DATABASE ${name}_restoring OWNER \"$owner\" TEMPLATE template0 ENCODING 'UTF8'" > /dev/null
    server pg_restore --exit-on-error --single-transaction -d "${name}_restoring" < "$folder/$name.dump"
    sql "${name}_restoring" -c ANALYZE > /dev/null
    renames="$renames ALTER DATABASE $name RENAME TO ${name}_$aside; ALTER DATABASE ${name}_restoring RENAME TO $name;"
  done
  # Both or none. Refused while anybody is connected: a writer would go on in the database that is moved aside.
  if ! sql postgres --single-transaction -c "$renames" > /dev/null; then
    sql postgres -c "SELECT DISTINCT 'connected to ' || datname || ': ' || usename || ' ' || application_name
      FROM pg_stat_activity WHERE datname IN ('registry', 'dagster')" >&2
    fail "nothing was changed; stop who is connected (docs/runbooks/restore.md), then call it again"
  fi
  echo "restored; what was there before is in the databases dagster_$aside and registry_$aside: drop them when nothing of it is needed"
  ;;
*)
  fail "expected: databases.sh backup|restore FOLDER"
  ;;
esac
