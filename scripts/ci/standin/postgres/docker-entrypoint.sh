#!/bin/sh
# Initialises an empty data folder as the official image does, then becomes the server.
set -e

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

case "$1" in
-*) set -- postgres "$@" ;;
esac

if [ "$1" = postgres ] && [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres: "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?set POSTGRES_PASSWORD}"
    echo "$POSTGRES_PASSWORD" >/tmp/password
    initdb --pgdata="$PGDATA" --username="$user" --pwfile=/tmp/password --encoding=UTF8 --locale=C.UTF-8 \
        --auth-host=scram-sha-256 --auth-local=trust ${POSTGRES_INITDB_ARGS:-} >/dev/null
    rm /tmp/password
    chmod 700 "$PGDATA"
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    {
        echo "listen_addresses = '*'"
        echo "unix_socket_directories = '/var/run/postgresql, /tmp'"
    } >>"$PGDATA/postgresql.conf"
    pg_ctl --pgdata="$PGDATA" --wait --silent -o "-c listen_addresses=''" start
    [ "$database" = postgres ] || psql --quiet -h /tmp -U "$user" -d postgres -c "CREATE DATABASE \"$database\""
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
        *.sql) psql --quiet -h /tmp -U "$user" -d "$database" -f "$file" ;;
        *.sh) . "$file" ;;
        esac
    done
    pg_ctl --pgdata="$PGDATA" --wait --silent -m fast stop
fi

exec "$@"
