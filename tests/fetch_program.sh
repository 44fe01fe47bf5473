#!/bin/sh
# Usage: fetch_program.sh DIR PACKAGE PROGRAM. Unpacks a Debian package with the libraries that this machine lacks into DIR,
# installing nothing, and prints two lines: the program, and the folder of its libraries.
# Exit status 3 and one line on stderr: it cannot be had here.
set -eu
dir=$1 package=$2 program=$3

give_up() {
    echo "fetch_program.sh: $*" >&2
    exit 3
}

found() {
    [ -x "$dir/usr/sbin/$program" ] || return 1
    printf '%s\n' "$dir/usr/sbin/$program" "$(ls -d "$dir"/usr/lib/*-linux-gnu*)"
}

if found; then exit 0; fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "there is no apt-get to fetch $package with"
if ! apt-cache show "$package" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || give_up "apt knows no package $package: run 'apt-get update' as root"
    apt-get -q update >&2
fi
# How the libraries are called differs between releases: apt knows, and tells everybody.
lacking=$(apt-get --simulate --no-install-recommends install "$package" | sed -n 's/^Inst \(lib[^ ]*\).*/\1/p')
# shellcheck disable=SC2086 # one word for each package
"$(dirname "$0")/unpack_packages.sh" "$dir" "$package" $lacking
found
