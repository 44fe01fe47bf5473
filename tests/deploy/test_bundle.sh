#!/bin/sh
# Installs from dist/*-bundle.tar with the network cut, the wheel and the images, and stores a sample by each. As root.
# What is run of INSTALL.md is taken from there, word for word.
set -eu
cd "$(dirname "$0")/../.."
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=PATH sh "$PWD/tests/deploy/test_bundle.sh"

say() { echo "[bundle] $*"; }
fail() { echo "[bundle] FAILED: $*" >&2 && exit 1; }

set -- dist/*-bundle.tar
[ $# = 1 ] && [ -f "$1" ] || fail "want one dist/*-bundle.tar: make bundle"
work=$(mktemp -d /tmp/pgvigil-bundle.XXXXXX)
network=pgvigil-bundle-$$
cleanup() {
    docker rm --force --volumes "$network-postgres" >/dev/null 2>&1 || true
    docker network rm "$network" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
tar -x -f "$1" -C "$work"
cd "$work"/*
version=$(basename "$PWD" | sed 's/^pgvigil-\(.*\)-bundle$/\1/')

recipe() { # recipe NUMBER: the nth shell block of INSTALL.md
    awk -v wanted="$1" '/^```sh$/ {block++; inside = 1; next} /^```$/ {inside = 0} inside && block == wanted' INSTALL.md
}
offline() { # run a script with no network but loopback, and without what this machine tells pip
    env -i PATH="$PATH" PIP_CONFIG_FILE=/dev/null PIP_NO_CACHE_DIR=1 unshare --net sh -euc "$1"
}

say "checksums"
offline "$(recipe 1)" || fail "a file is not what it was"
echo >>README.md
offline "$(recipe 1)" >/dev/null 2>&1 && fail "a changed file was not noticed"

say "the network is cut: nothing can be installed from elsewhere"
offline "python3 -m venv probe && timeout 60 probe/bin/pip install --retries 0 --timeout 2 six" >/dev/null 2>&1 &&
    fail "pip reached an index"

say "wheel, by INSTALL.md"
offline "$(recipe 5)" >install.log || fail "$(tail -n 5 install.log)"
tail -n 1 install.log | tee version.txt
grep -qx "pgvigil $version" version.txt || grep -qx "$version" version.txt || fail "the wheel is not version $version"
offline "venv/bin/pgvigil agent --once" | grep -q '"cpu' || fail "the agent measured nothing"

say "Ansible, by INSTALL.md"
rm -rf venv
offline "$(recipe 2)" >install.log || fail "$(tail -n 5 install.log)"
offline "cd ansible && ../venv/bin/ansible-playbook --version | head -n 1 &&
    ../venv/bin/ansible-playbook --extra-vars @bundle.yml --syntax-check site.yml"

say "images, by INSTALL.md"
docker image rm --force "pgvigil:$version" >/dev/null 2>&1 || true
sh -euc "$(recipe 4)"
postgres=$(sed -n 's/^ *image: *\(postgres:[^ ]*\).*/\1/p' docker/compose.yaml | head -n 1)

say "schema and samples, on a network that leads nowhere"
docker network create --internal "$network" >/dev/null
docker run --detach --pull never --name "$network-postgres" --network "$network" --network-alias db \
    --env POSTGRES_HOST_AUTH_METHOD=trust "$postgres" >/dev/null
pgvigil() {
    docker run --rm --pull never --network "$network" --env PGVIGIL_DSN="host=db user=postgres dbname=postgres" "$@"
}
psql() { docker exec "$network-postgres" psql --username postgres --no-align --tuples-only --command "$1"; }
for _ in $(seq 60); do
    docker exec "$network-postgres" pg_isready --quiet --host 127.0.0.1 && break
    sleep 1
done
pgvigil "pgvigil:$version" db migrate | tail -n 1
# As the playbooks run it: the network, the processes and the disks of this machine.
address=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$network-postgres")
shared=$(findmnt --noheadings --output PROPAGATION / | grep -q shared && echo ,rslave || true) # as systemd makes it
timeout --signal TERM 15 docker run --rm --pull never --network host --pid host --volume "/:/host:ro$shared" \
    --env PGVIGIL_DSN="host=$address user=postgres dbname=postgres" --env PGVIGIL_HOST_ROOT=/host \
    "pgvigil:$version" agent --interval 1s --host-name bundle || true
samples=$(psql "select count(*) from pgvigil.cpu_log")
say "$samples samples stored"
[ "$samples" -ge 3 ] || fail "want 3 samples or more"
say "ok"
