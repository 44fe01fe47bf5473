#!/usr/bin/env bash
# Makes the images of the lab that are not there yet. Usage: images.sh WORK_DIRECTORY
set -euo pipefail
work=${1:?usage: images.sh WORK_DIRECTORY}
here=$(cd "$(dirname "$0")" && pwd)

have() { docker image inspect "$1" >/dev/null 2>&1; }

# What is there stays, unless it was made here of other files: build TAG DIRECTORY [ARGUMENT..]
build() {
    local made of context="$work/context-$2"
    of=$( (cd "$here/$2" && find . -type f -print0 | sort -z | xargs -0 sha256sum && echo "${@:3}") | sha256sum | cut -c1-64)
    made=$(docker image inspect --format '{{index .Config.Labels "pgvigil-stand-in"}}' "$1" 2>/dev/null || echo missing)
    if [ "$made" = "$of" ]; then return; fi
    # Without that label it is an official image; those of the lab are nobody else's.
    if [ -z "$made" ] && [ "${1#pgvigil-lab/}" = "$1" ]; then return; fi
    echo "lab: making $1"
    rm -rf "$context"
    cp -r "$here/$2" "$context"
    # Certificates of this machine are part of each context.
    mkdir -p "$context/ca"
    find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$context/ca/" \;
    docker build --quiet --label "pgvigil-stand-in=$of" --tag "$1" "${@:3}" "$context" >/dev/null
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
