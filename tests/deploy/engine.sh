#!/bin/sh
# Has a Docker engine answer, if this machine allows it: root, and Debian or a child of it. Ends with 1 and a reason where not.
# Usage: engine.sh [PID_FILE]; into the file goes the process of an engine that was started here.
set -u
answers() { docker info >/dev/null 2>&1; }
tools() { command -v debootstrap && command -v ssh-keygen; } >/dev/null

answers && tools && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "engine.sh: no Docker engine answers, or debootstrap or ssh is missing, and only root on Debian can install them" >&2
    exit 1
fi
if ! tools || ! { answers || command -v dockerd >/dev/null; }; then
    echo "installing docker.io, debootstrap and openssh-client (Debian packages) .."
    apt-get update -qq >/dev/null
    packages="debootstrap iptables openssh-client"
    answers || packages="$packages docker.io"
    # From Debian 13 on the client is a package of its own.
    command -v docker >/dev/null || ! apt-cache show docker-cli >/dev/null 2>&1 || packages="$packages docker-cli"
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null || {
        echo "engine.sh: apt-get could not install: $packages" >&2
        exit 1
    }
fi
answers && exit 0
log=$(mktemp)
echo "starting dockerd (its log: $log) .."
setsid dockerd >"$log" 2>&1 </dev/null &
engine=$!
for _ in $(seq 60); do
    if answers; then
        [ -z "${1:-}" ] || echo "$engine" >"$1"
        exit 0
    fi
    kill -0 "$engine" 2>/dev/null || break
    sleep 1
done
kill "$engine" 2>/dev/null
echo "engine.sh: dockerd does not run on this machine: $(tail -n 1 "$log")" >&2
exit 1
