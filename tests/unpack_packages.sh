#!/bin/sh
# Usage: unpack_packages.sh DIR PACKAGE.. Downloads Debian packages and unpacks them into DIR, which has all of them or is
# as it was before; installs nothing. Exit status 3 and one line on stderr: they cannot be had here.
set -eu
dir=$1
shift

give_up() {
    echo "unpack_packages.sh: $*" >&2
    exit 3
}

mkdir -p "$(dirname "$dir")" || give_up "cannot write to $(dirname "$dir")"
new=$(mktemp -d "$dir.XXXXXX") || give_up "cannot write to $(dirname "$dir")"
trap 'rm -rf "$new"' EXIT
# Root would hand the download to the user _apt, who may not write here.
(cd "$new" && apt-get -qq -o APT::Sandbox::User=root download "$@") >&2 || give_up "apt-get could not download $*"
for deb in "$new"/*.deb; do
    dpkg-deb -x "$deb" "$new"
    rm "$deb"
done
chmod 755 "$new"
rm -rf "$dir"
mv "$new" "$dir"
