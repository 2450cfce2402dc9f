#!/bin/bash
# Writes nginx's configuration from the mounted templates and the container's environment, then runs nginx.

export HTTPS_CONFIG="" ACME_CHALLENGE_LOCATION=""

if [ "$NGINX_HTTPS_ENABLED" = true ]; then
    folder=/etc/letsencrypt/live/$CERTBOT_DOMAIN
    if [ -z "$CERTBOT_DOMAIN" ] || [ ! -f "$folder/$NGINX_SSL_CERT_FILENAME" ] ||
        [ ! -f "$folder/$NGINX_SSL_CERT_KEY_FILENAME" ]; then
        folder=/etc/ssl
    fi
    export SSL_CERTIFICATE_PATH=$folder/$NGINX_SSL_CERT_FILENAME
    export SSL_CERTIFICATE_KEY_PATH=$folder/$NGINX_SSL_CERT_KEY_FILENAME
    HTTPS_CONFIG=$(envsubst </etc/nginx/https.conf.template)
fi

if [ "$NGINX_ENABLE_CERTBOT_CHALLENGE" = true ]; then
    ACME_CHALLENGE_LOCATION='location /.well-known/acme-challenge/ { root /var/www/html; }'
fi

# Only names that the environment knows: nginx has variables of its own, $host for one.
known=$(compgen -e | sed 's/^/$/' | paste -sd, -)
for file in nginx.conf proxy.conf conf.d/default.conf; do
    envsubst "$known" <"/etc/nginx/$file.template" >"/etc/nginx/$file"
done

exec nginx -g 'daemon off;'
