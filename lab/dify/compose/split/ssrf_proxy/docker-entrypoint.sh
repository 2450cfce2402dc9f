#!/bin/bash
# Writes the list of private targets that are allowed, fills in the mounted templates and runs squid.
set -e

allow() { # VALUES ACL TYPE: let the local network reach these values, separated by spaces or commas
    local values=${1//,/ }
    [ -z "${values// /}" ] || printf 'acl %s %s %s\nhttp_access allow client_localnet %s\n' "$2" "$3" "$values" "$2"
}

{
    allow "$SSRF_PROXY_ALLOW_PRIVATE_IPS" dify_allowed_private_networks dst
    allow "$SSRF_PROXY_ALLOW_PRIVATE_DOMAINS" dify_allowed_private_domains dstdomain
} >/etc/squid/dify_allow_private.conf

envsubst '$HTTP_PORT $COREDUMP_DIR' </etc/squid/squid.conf.template >/etc/squid/squid.conf
{% if since("1.16.1") %}
envsubst '$HTTP_PORT $COREDUMP_DIR' </etc/squid/dify_common.conf.template >/etc/squid/dify_common.conf
{% endif %}
exec squid -f /etc/squid/squid.conf -NYC
