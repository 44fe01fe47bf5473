#!/bin/sh
# Makes the GitHub release of the tag that is checked out: the files of dist/, and the section of CHANGELOG.md as notes.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' agent/pgvigil/__init__.py)
notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
awk -v heading="## [$version]" 'index($0, "## [") == 1 {inside = index($0, heading) == 1; next} inside' CHANGELOG.md >"$notes"
grep -q '[^[:space:]]' "$notes" || { echo "publish.sh: CHANGELOG.md says nothing about $version" >&2 && exit 1; }
if grep -q "^## \[$version\] - unreleased" CHANGELOG.md; then
    echo "publish.sh: CHANGELOG.md calls $version unreleased; write the date there" >&2
    exit 1
fi
[ -f "dist/pgvigil-$version-bundle.tar" ] || { echo "publish.sh: no dist/pgvigil-$version-bundle.tar: make bundle" >&2 && exit 1; }
command -v gh >/dev/null || { echo "publish.sh: there is no command gh (Debian, Ubuntu: apt-get install gh)" >&2 && exit 1; }
(cd dist && sha256sum -- * >SHA256SUMS)
gh release create "v$version" --verify-tag --title "pgvigil $version" --notes-file "$notes" dist/*
