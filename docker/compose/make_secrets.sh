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
# While they are still root's: there is no right to change what is another user's.
if [ "$(stat -c %u /secrets/postgres)" = 0 ]; then chmod 0700 /secrets/postgres; fi
if [ "$(stat -c %u /socket)" = 0 ]; then chmod 0755 /socket; fi # who may log in is the server's business
chown 999:999 /secrets/postgres /socket

for name in owner agent mailer; do
    file=/secrets/$name/pgpass
    printf '*:*:*:*:%s\n' "$(cat "/secrets/postgres/$name")" >"$file"
    chown 10340:10340 "$file" "/secrets/$name"
done

cp /secrets/postgres/grafana /secrets/grafana/database_password
[ -s /secrets/grafana/admin_password ] || password >/secrets/grafana/admin_password
chown 472:0 /secrets/grafana /secrets/grafana/database_password /secrets/grafana/admin_password
