#!/bin/sh
# Makes the virtual environment that the Makefile works in, or says what is missing on this machine.
set -eu
venv=$1

if [ -z "${PYTHON:-}" ] || ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "pgvigil needs Python 3.11 or newer (found: ${PYTHON:-none; Debian, Ubuntu: apt-get install python3-venv});" \
        "give one with: make PYTHON=/path/to/python3.12" >&2
    exit 2
fi
if ! "$PYTHON" -c 'import ensurepip' 2>/dev/null; then
    # Debian and its children keep venv in a package of its own.
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing python$version-venv (Debian package) .."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "python$version-venv" >/dev/null
    else
        echo "$PYTHON cannot make virtual environments; install its venv module, on Debian: apt-get install python$version-venv" >&2
        exit 2
    fi
fi
echo "making a virtual environment in $venv with $("$PYTHON" --version) .."
"$PYTHON" -m venv "$venv"
