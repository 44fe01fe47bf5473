#!/bin/sh
# Usage: fetch_exim.sh DIR. Unpacks Debian's exim with its libraries into DIR, installing nothing, and prints two lines:
# the program, and the folder of its libraries. Exit status 3 and one line on stderr: it cannot be had here.
set -eu
dir=$1
packages="exim4-daemon-light libgnutls-dane0 libunbound8 libdb5.3 libidn12 libnsl2 libevent-2.1-7"

give_up() {
    echo "fetch_exim.sh: $*" >&2
    exit 3
}

found() {
    [ -x "$dir/usr/sbin/exim4" ] || return 1
    printf '%s\n' "$dir/usr/sbin/exim4" "$(dirname "$(ls "$dir"/usr/lib/*/libunbound.so.8)")"
}

if found; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "there is no apt-get to fetch exim with"
if ! apt-cache show exim4-daemon-light >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    apt-get -q update >&2
fi
mkdir -p "$(dirname "$dir")" || give_up "cannot write to $(dirname "$dir")"
new=$(mktemp -d "$dir.XXXXXX") || give_up "cannot write to $(dirname "$dir")"
trap 'rm -rf "$new"' EXIT
# Root would hand the download to the user _apt, who may not write here.
# shellcheck disable=SC2086 # one word for each package
(cd "$new" && apt-get -qq -o APT::Sandbox::User=root download $packages) >&2 || give_up "apt-get could not download $packages"
for deb in "$new"/*.deb; do
    dpkg-deb -x "$deb" "$new"
    rm "$deb"
done
chmod 755 "$new"
rm -rf "$dir"
mv "$new" "$dir"
found
