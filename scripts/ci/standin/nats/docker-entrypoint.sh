#!/bin/sh
# Arguments that begin with a dash are the server's.
set -e
case "$1" in
-*) set -- nats-server "$@" ;;
esac
exec "$@"
