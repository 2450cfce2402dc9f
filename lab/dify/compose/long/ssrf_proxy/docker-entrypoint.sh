#!/bin/bash
# Fills in the mounted template and runs squid.
set -e
envsubst '$HTTP_PORT $COREDUMP_DIR $REVERSE_PROXY_PORT $SANDBOX_HOST $SANDBOX_PORT' \
    </etc/squid/squid.conf.template >/etc/squid/squid.conf
exec squid -f /etc/squid/squid.conf -NYC
