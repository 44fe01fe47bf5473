#!/bin/sh
# An authority that can sign servers and nothing else, and a certificate for this one. Says "changed" when it made one.
# Usage: make_certificates.sh NAME..
set -eu
cd /etc/pgvigil/postgres
umask 077
# Never where the server could read it: what is mounted into its container has no key but its own.
authority=/etc/pgvigil/authority

if [ ! -s "$authority/ca.crt" ]; then
    mkdir -p -m 0700 "$authority"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj '/CN=pgvigil authority' \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' -addext 'keyUsage=critical,keyCertSign' \
        -keyout "$authority/ca.key" -out "$authority/ca.crt"
    echo changed
fi
cmp -s "$authority/ca.crt" ca.crt || cp "$authority/ca.crt" ca.crt

names=
for name in "$@"; do
    case $name in
        *[!0-9.]*:*|*:*|[0-9]*.[0-9]*.[0-9]*.[0-9]*) names=${names:+$names,}IP:$name ;;
        *) names=${names:+$names,}DNS:$name ;;
    esac
done

if [ ! -s server.crt ] || [ "$(cat server.names 2>/dev/null)" != "$names" ] ||
    ! openssl x509 -in server.crt -noout -checkend 2592000 >/dev/null ||
    ! openssl verify -CAfile ca.crt server.crt >/dev/null 2>&1; then
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=pgvigil database" \
        -keyout server.key.new -out server.csr
    {
        echo "subjectAltName=$names"
        echo 'basicConstraints=critical,CA:FALSE'
        echo 'keyUsage=critical,digitalSignature'
        echo 'extendedKeyUsage=serverAuth'
    } >server.ext
    openssl x509 -req -in server.csr -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -CAcreateserial -days 730 -sha256 -extfile server.ext \
        -out server.crt.new
    mv server.key.new server.key
    mv server.crt.new server.crt
    printf '%s' "$names" >server.names
    rm -f server.csr server.ext
    echo changed
fi
