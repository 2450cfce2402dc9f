{% if since("1.16.1") %}
#!/bin/bash
# Fills in the mounted templates and runs squid.
set -e
envsubst '$HTTP_PORT $COREDUMP_DIR' </etc/squid/squid.conf.template >/etc/squid/squid.conf
envsubst '$HTTP_PORT $COREDUMP_DIR' </etc/squid/dify_common.conf.template >/etc/squid/dify_common.conf
exec squid -f /etc/squid/squid.conf -NYC
{% endif %}
