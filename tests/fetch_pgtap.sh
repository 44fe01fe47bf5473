#!/bin/sh
# Usage: fetch_pgtap.sh DIR. Prints where pg_prove, its Perl library and pgtap.sql are, one path per line.
# Takes what DIR or this machine has; otherwise unpacks the two Debian packages into DIR, installing nothing.
# Exit status 3 and one line on stderr: it cannot be had here.
set -eu
dir=$1

give_up() {
    echo "fetch_pgtap.sh: $*" >&2
    exit 3
}

# The three paths below $1, if all are there.
find_below() {
    pgtap=$(ls "$1"/share/postgresql/*/extension/pgtap.sql "$1"/share/postgresql/extension/pgtap.sql 2>/dev/null |
        sort -V | tail -n 1)
    if [ -n "$pgtap" ] && [ -f "$1/bin/pg_prove" ]; then
        printf '%s\n' "$1/bin/pg_prove" "$1/share/perl5" "$pgtap"
        exit 0
    fi
}

newest_pgtap_package() {
    apt-cache pkgnames postgresql- | grep -E '^postgresql-[0-9]+-pgtap$' | sort -V | tail -n 1
}

perl -MApp::Prove -e 1 2>/dev/null || give_up "pg_prove needs Perl with App::Prove (Debian: apt-get install perl)"
find_below "$dir/usr"
find_below /usr
find_below /usr/local

prove=$(command -v pg_prove || true)
pgtap=$(pg_config --sharedir 2>/dev/null || true)/extension/pgtap.sql
if [ -n "$prove" ] && [ -f "$pgtap" ]; then
    printf '%s\n' "$prove" "" "$pgtap"
    exit 0
fi

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    give_up "pg_prove and pgtap.sql are not on this machine, and there is no apt-get to fetch them: install both"
package=$(newest_pgtap_package)
if [ -z "$package" ] && [ "$(id -u)" = 0 ]; then
    apt-get -q update >&2
    package=$(newest_pgtap_package)
fi
[ -n "$package" ] || give_up "apt knows no package postgresql-*-pgtap: run 'apt-get update' as root"

"$(dirname "$0")/unpack_packages.sh" "$dir" libtap-parser-sourcehandler-pgtap-perl "$package"
find_below "$dir/usr"
give_up "$package holds no pgtap.sql"
