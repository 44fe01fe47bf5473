#!/usr/bin/env bash
# Makes the secrets that are not there yet: a copy for the server, and one that only its user can read.
set -euo pipefail
umask 077

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in superuser owner agent mailer grafana; do
    file=/secrets/postgres/$name
    [ -s "$file" ] || password >"$file"
    chown 999:999 "$file"
done
chown 999:999 /secrets/postgres /socket
chmod 0700 /secrets/postgres
chmod 0755 /socket # who may log in is the server's business

for name in owner agent mailer; do
    file=/secrets/$name/pgpass
    printf '*:*:*:*:%s\n' "$(cat "/secrets/postgres/$name")" >"$file"
    chown 10340:10340 "$file" "/secrets/$name"
done

cp /secrets/postgres/grafana /secrets/grafana/database_password
[ -s /secrets/grafana/admin_password ] || password >/secrets/grafana/admin_password
chown 472:0 /secrets/grafana /secrets/grafana/database_password /secrets/grafana/admin_password
