#!/bin/sh
# Rolls PGVIGIL_IMAGE out to the inventory that the environment brings, batch after batch; how is in ansible/site.yml.
# Secrets come as text in variables, live in a directory in memory, and are gone when this ends.
set -eu
cd "$(dirname "$0")/.."
: "${PGVIGIL_IMAGE:?name the image by digest, as make push printed it}"
: "${ANSIBLE_INVENTORY_TEXT:?give the inventory, as of ansible/inventory/hosts}"
case $PGVIGIL_IMAGE in
*@sha256:*) ;;
*) echo "rollout.sh: $PGVIGIL_IMAGE is a tag, which can be moved: give name@sha256:.." >&2 && exit 2 ;;
esac

umask 077
secrets=$(mktemp -d "$([ -d /dev/shm ] && echo /dev/shm || echo /tmp)/rollout.XXXXXX")
trap 'rm -rf "$secrets"' EXIT
trap 'exit 130' INT TERM

mkdir "$secrets/inventory"
printf '%s\n' "$ANSIBLE_INVENTORY_TEXT" >"$secrets/inventory/hosts"
set -- --inventory "$secrets/inventory" --extra-vars "pgvigil_image=$PGVIGIL_IMAGE" "$@"
if [ -n "${ANSIBLE_VAULT_TEXT:-}" ]; then
    printf '%s\n' "$ANSIBLE_VAULT_TEXT" >"$secrets/vault"
    set -- --vault-password-file "$secrets/vault" "$@"
fi
if [ -n "${SSH_KEY_TEXT:-}" ]; then
    : "${SSH_KNOWN_HOSTS_TEXT:?give the keys of the hosts too: nobody else may answer for them}"
    printf '%s\n' "$SSH_KEY_TEXT" >"$secrets/key"
    printf '%s\n' "$SSH_KNOWN_HOSTS_TEXT" >"$secrets/known_hosts"
    set -- --private-key "$secrets/key" \
        --ssh-common-args "-o UserKnownHostsFile=$secrets/known_hosts -o StrictHostKeyChecking=yes" "$@"
fi
unset ANSIBLE_INVENTORY_TEXT ANSIBLE_VAULT_TEXT SSH_KEY_TEXT SSH_KNOWN_HOSTS_TEXT # no task needs to see them

cd ansible
"$ANSIBLE_PLAYBOOK" "$@" site.yml
