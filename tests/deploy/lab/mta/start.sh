#!/usr/bin/env bash
# Submission with STARTTLS and a login on 587; whatever is accepted is put into /var/mail/catchall.
set -euo pipefail
postconf -e maillog_file=/dev/stdout myhostname=mta.lab mydestination=mta.lab,localhost \
    'smtpd_tls_cert_file=/tls/server.crt' 'smtpd_tls_key_file=/tls/server.key' smtpd_tls_security_level=encrypt \
    smtpd_sasl_auth_enable=yes smtpd_tls_auth_only=yes smtpd_sasl_local_domain=mta.lab \
    'smtpd_relay_restrictions=permit_sasl_authenticated,reject' 'smtpd_recipient_restrictions=' \
    virtual_alias_domains=example.org virtual_alias_maps=regexp:/etc/postfix/catchall
echo '/.*/ catchall@mta.lab' >/etc/postfix/catchall
useradd -m catchall || true
cat >/etc/postfix/sasl/smtpd.conf <<CONF
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
CONF
saslpasswd2 -p -c -u mta.lab pgvigil </tls/smtp_password
mkdir -p /var/spool/postfix/etc
cp /etc/sasldb2 /var/spool/postfix/etc/
chgrp postfix /etc/sasldb2 /var/spool/postfix/etc/sasldb2
chmod 0640 /etc/sasldb2 /var/spool/postfix/etc/sasldb2
postconf -M submission/inet='submission inet n - y - - smtpd'
exec postfix start-fg
