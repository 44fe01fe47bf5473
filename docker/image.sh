#!/bin/sh
# Usage: image.sh build | push. Builds the image of this checkout, pgvigil:VERSION; `push` builds it for IMAGE, sends it
# there with its provenance, and tells its digest.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' agent/pgvigil/__init__.py)
revision=$(git rev-parse HEAD)
set -- "${1:?usage: image.sh build | push}" \
    --file docker/Dockerfile --build-arg "VERSION=$version" --build-arg "REVISION=$revision"
what=$1
shift
command -v docker >/dev/null || { echo "image.sh: there is no command docker (Debian, Ubuntu: apt-get install docker.io)" >&2 && exit 1; }

case $what in
build)
    docker build "$@" --tag "pgvigil:$version" .
    ;;
push)
    : "${IMAGE:?name the image without a tag: make push IMAGE=ghcr.io/you/pgvigil}"
    image=$(printf %s "$IMAGE" | tr '[:upper:]' '[:lower:]') # repositories may have capitals, images may not
    set -- "$@" --tag "$image:$revision"
    # A version is named once, by its tag: what main has after it is another image.
    tag=$(git describe --tags --exact-match --match 'v*' 2>/dev/null || true)
    if [ -n "$tag" ]; then
        [ "$tag" = "v$version" ] || { echo "tag $tag, but agent/pgvigil/__init__.py says $version" >&2 && exit 1; }
        set -- "$@" --tag "$image:$version"
    fi
    metadata=$(mktemp)
    trap 'rm -f "$metadata"' EXIT
    docker buildx build "$@" --provenance=mode=max --sbom=true --push --metadata-file "$metadata" .
    digest=$(sed -n 's/.*"containerimage.digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' "$metadata")
    : "${digest:?docker buildx told no digest}"
    echo "pushed $image@$digest"
    [ -z "${GITHUB_OUTPUT:-}" ] ||
        printf 'image=%s\nname=%s\ndigest=%s\n' "$image@$digest" "$image" "$digest" >>"$GITHUB_OUTPUT"
    ;;
*)
    echo "usage: image.sh build | push" >&2
    exit 2
    ;;
esac
