#!/bin/sh
# The lab has no certificates to fetch.
exec "$@"
