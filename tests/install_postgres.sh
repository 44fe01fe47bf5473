#!/bin/sh
# Usage: install_postgres.sh MAJOR. Installs this PostgreSQL below /usr/lib/postgresql, where the tests look for it,
# and starts none. Nothing happens when it is there, or comes with the embedded ones.
set -eu
major=${1:?name the version: make postgres PGVIGIL_TEST_POSTGRES=17}

as_root() {
    set -- env DEBIAN_FRONTEND=noninteractive "$@"
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

as_root apt-get update -qq # also for pgTAP, which tests/fetch_pgtap.sh asks apt for
case $major in
16 | 18) echo "PostgreSQL $major is one of the embedded ones" && exit ;;
esac
[ -x "/usr/lib/postgresql/$major/bin/postgres" ] && echo "PostgreSQL $major is there" && exit

as_root apt-get install -y -qq --no-install-recommends postgresql-common >/dev/null
# The distribution has one version; all of them are in the repository of the PostgreSQL project.
[ -n "$(apt-cache policy "postgresql-$major" | sed -n 's/.*Candidate: [^(]//p')" ] ||
    as_root /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y
as_root install -d /etc/postgresql-common/createcluster.d
echo "create_main_cluster = false" | as_root tee /etc/postgresql-common/createcluster.d/pgvigil.conf >/dev/null
as_root apt-get install -y -qq --no-install-recommends "postgresql-$major" >/dev/null
"/usr/lib/postgresql/$major/bin/postgres" --version
