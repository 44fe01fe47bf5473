#!/bin/sh
# Makes dist/: the wheel, and one file with all that a machine without a network needs. Needs a checkout, pip and an engine.
# PGVIGIL_IMAGE takes an image that is pushed already, instead of building one. WITHOUT leaves out an image by its name.
set -eu
cd "$(dirname "$0")/.."
command -v docker >/dev/null || { echo "bundle.sh: there is no command docker (Debian, Ubuntu: apt-get install docker.io)" >&2 && exit 1; }
python=${PYTHON:-python3}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' agent/pgvigil/__init__.py)
name=pgvigil-$version-bundle
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/$name
mkdir -p "$bundle/images" "$bundle/wheels" dist

echo "wheel .."
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$bundle/wheels" .
echo "wheels of its dependencies and of Ansible, for each Python .."
for minor in 11 12 13 14; do
    # The older tag too: whoever builds for it alone would not be found.
    "$python" -m pip download --quiet --disable-pip-version-check --dest "$bundle/wheels" --only-binary :all: \
        --python-version "3.$minor" --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
        --find-links "$bundle/wheels" "pgvigil==$version" ansible-core
done

echo "images .."
if [ -n "${PGVIGIL_IMAGE:-}" ]; then
    docker pull --quiet "$PGVIGIL_IMAGE" >/dev/null
    docker tag "$PGVIGIL_IMAGE" "pgvigil:$version"
else
    sh docker/image.sh build >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2 && exit 1; }
fi
for image in "pgvigil:$version" $(sed -n 's/^ *image: *\(\(postgres\|grafana\/grafana\):[^ ]*\).*/\1/p' docker/compose.yaml | sort -u); do
    short=$(basename "${image%%:*}")
    if [ "$short" = "${WITHOUT:-}" ]; then
        echo "  $short is left out, as asked"
        continue
    fi
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null || {
        echo "bundle.sh: no image $image here, and it cannot be pulled; to do without: make bundle WITHOUT=$short" >&2
        exit 1
    }
    docker save "$image" | gzip >"$bundle/images/$short.tar.gz"
    echo "  $image"
done

echo "playbooks, dashboards, documents .."
git archive HEAD ansible docker grafana docs README.md README.ko.md CHANGELOG.md LICENSE | tar -x -C "$bundle"
cp docker/bundle.md "$bundle/INSTALL.md"
(
    cd "$bundle"
    # What Ansible is to load instead of pulling it.
    for archive in images/*.tar.gz; do
        short=$(basename "$archive" .tar.gz)
        [ "$short" = pgvigil ] && short=image
        printf 'pgvigil_%s_archive: "{{ playbook_dir }}/../%s"\n' "$short" "$archive"
    done >ansible/bundle.yml
    find . -type f ! -name SHA256SUMS -print0 | LC_ALL=C sort -z | xargs -0 sha256sum >SHA256SUMS
)
rm -f "dist/pgvigil-$version"*
cp "$bundle/wheels/pgvigil-$version-py3-none-any.whl" dist/
tar -C "$work" --owner=0 --group=0 -cf "dist/$name.tar" "$name" # what is big in it is compressed already
ls -lh dist
