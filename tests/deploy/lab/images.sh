#!/usr/bin/env bash
# Makes the images of the lab that are not there yet. Usage: images.sh WORK_DIRECTORY
set -euo pipefail
work=${1:?usage: images.sh WORK_DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)

have() { docker image inspect "$1" >/dev/null 2>&1; }

build() { # build TAG DIRECTORY [ARGUMENT..]: certificates of this machine are part of each context
    if have "$1"; then return; fi
    echo "lab: making $1"
    local context="$work/context-$2"
    rm -rf "$context"
    cp -r "$here/$2" "$context"
    mkdir -p "$context/ca"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$context/ca/" \;
    docker build --quiet --tag "$1" "${@:3}" "$context" >/dev/null
    rm -rf "$context"
}

mkdir -p "$work"
if ! have debian:trixie-slim; then
    echo "lab: making debian:trixie-slim"
    rm -rf "$work/trixie"
    debootstrap --variant=minbase --include=ca-certificates trixie "$work/trixie" http://deb.debian.org/debian >"$work/debootstrap.log"
    rm -rf "$work"/trixie/var/lib/apt/lists/* "$work"/trixie/var/cache/apt/archives/*.deb \
        "$work"/trixie/usr/share/{doc,man,locale,info}/*
    # Packages that follow leave the same out, as in the official slim image.
    printf 'path-exclude /usr/share/%s/*\n' doc man locale info >"$work/trixie/etc/dpkg/dpkg.cfg.d/slim"
    tar -C "$work/trixie" -c . | docker import --change 'CMD ["bash"]' - debian:trixie-slim >/dev/null
    rm -rf "$work/trixie"
fi
build python:3.13-slim-trixie python
build postgres:17.12-trixie postgres
build pgvigil-lab/target target
build pgvigil-lab/bare target --build-arg ENGINE=
build pgvigil-lab/mta mta
build pgvigil-lab/single target --build-arg "ENGINE=docker.io docker-cli docker-compose"
# No registry, so no Grafana and no Mailpit: these take their places, so that what is wired to them is wired.
build axllent/mailpit:v1.27 mailpit
build grafana/grafana:12.3.0 grafana
