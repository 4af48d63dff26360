#!/usr/bin/env bash
# Finds or starts what the tests use beside Python: databases, a browser.
#
#   services.sh start   prints shell assignments (FINERY_TEST_DATABASES and the two URLs) for eval;
#                       what it did goes to stderr
#   services.sh stop    ends the servers that `start` started, and removes their data
#   services.sh browser     finds or installs Chromium, and nginx, and prints the browser's path likewise
#   services.sh faketime    installs the library that sets the clocks of `make test-soak`, and prints its path likewise
#
# A URL that is already in the environment is taken as it is. Else a server that lets us in without
# a password on its usual port is used. Else one of our own is started on a port of its own, with
# its data in a scratch folder; the system's databases are never changed. Only root installs packages.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${VENV:-.venv}/bin/python"
state="${FINERY_TEST_SERVICES_DIR:-/tmp/finery-test-services-$(id -u)}"
own_postgres_port=15432
own_mysql_port=13306

say() {
    printf '%s\n' "$*" >&2
}

answers_postgres() {
    "$python" - "$1" 2>/dev/null <<'PYTHON'
import sys, psycopg

psycopg.connect(sys.argv[1].replace("+psycopg", ""), connect_timeout=3).close()
PYTHON
}

# Also makes the database that the URL names, so that the tests have a place to start from.
answers_mysql() {
    "$python" - "$1" 2>/dev/null <<'PYTHON'
import sys, urllib.parse, pymysql

url = urllib.parse.urlsplit(sys.argv[1])
with pymysql.connect(
    host=url.hostname,
    port=url.port or 3306,
    user=urllib.parse.unquote(url.username or "root"),
    password=urllib.parse.unquote(url.password or ""),
    connect_timeout=3,
) as connection:
    connection.cursor().execute("CREATE DATABASE IF NOT EXISTS `%s`" % url.path.strip("/").replace("`", ""))
PYTHON
}

wait_until() {
    local _
    for _ in $(seq 60); do
        "$@" && return
        sleep 0.5
    done
    return 1
}

# Database servers refuse to run as root: root hands the folder to the server's own account.
as_account() {
    local account="$1"
    shift
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid "$account" --regid "$account" --init-groups "$@"
    else
        "$@"
    fi
}

install_packages() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    say "Installing $*"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -qq -y --no-install-recommends "$@" >&2 ||
        { apt-get update -qq >&2 && apt-get install -qq -y --no-install-recommends "$@" >&2; }
}

own_folder() {
    mkdir -p "$state"
    chmod 755 "$state"
    mkdir -p "$state/$1"
    if [ "$(id -u)" = 0 ]; then
        chown "$2" "$state/$1"
    fi
}

postgres_tools() {
    local candidate
    candidate="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)"
    if [ -n "$candidate" ]; then
        echo "$candidate"
    elif command -v initdb >/dev/null && command -v pg_ctl >/dev/null; then
        dirname "$(command -v initdb)"
    else
        return 1
    fi
}

start_postgres() {
    local tools data="$state/postgres/data"
    tools="$(postgres_tools)" || { install_packages postgresql && tools="$(postgres_tools)"; } || return 1
    own_folder postgres postgres
    if [ ! -f "$data/PG_VERSION" ]; then
        (cd / && as_account postgres "$tools/initdb" -D "$data" -U postgres --auth trust --no-sync) >"$state/postgres.log" 2>&1
    fi
    (cd / && as_account postgres "$tools/pg_ctl" -D "$data" -l "$state/postgres/log" -W start -o \
        "-p $own_postgres_port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off") >>"$state/postgres.log" 2>&1
}

start_mysql() {
    local data="$state/mysql/data" server
    server="$(PATH="$PATH:/usr/sbin" command -v mariadbd)" ||
        { install_packages mariadb-server && server="$(PATH="$PATH:/usr/sbin" command -v mariadbd)"; } || return 1
    own_folder mysql mysql
    if [ ! -d "$data/mysql" ]; then
        (cd / && as_account mysql mariadb-install-db --no-defaults --datadir="$data" \
            --auth-root-authentication-method=normal --skip-test-db) >"$state/mysql.log" 2>&1
    fi
    (cd / && as_account mysql setsid "$server" --no-defaults --datadir="$data" --port=$own_mysql_port \
        --bind-address=127.0.0.1 --socket="$state/mysql/socket" --pid-file="$state/mysql/pid" \
        --innodb-flush-log-at-trx-commit=0 &) >>"$state/mysql.log" 2>&1 </dev/null
}

# provide NAME GIVEN_URL USUAL_URL OWN_URL: prints the URL to use, or fails.
provide() {
    local name="$1" given="$2" usual="$3" own="$4"
    if [ -n "$given" ]; then
        say "$name: $given, as told"
        echo "$given"
    elif "answers_$name" "$usual"; then
        say "$name: found at $usual"
        echo "$usual"
    elif "answers_$name" "$own"; then
        say "$name: ours still runs at $own"
        echo "$own"
    elif "start_$name" && wait_until "answers_$name" "$own"; then
        say "$name: started at $own"
        echo "$own"
    else
        say "$name: not found and could not be started; its tests are skipped." \
            "Look into $state/$name.log if it is there, install $name, or set FINERY_TEST_${name^^}_URL."
        return 1
    fi
}

start() {
    local databases=sqlite wanted="${FINERY_TEST_DATABASES:-sqlite,postgres,mysql}" url
    if [[ ",$wanted," == *,postgres,* ]] && url="$(provide postgres "${FINERY_TEST_POSTGRES_URL:-}" \
        postgresql+psycopg://postgres@127.0.0.1:5432/postgres \
        postgresql+psycopg://postgres@127.0.0.1:$own_postgres_port/postgres)"; then
        databases+=,postgres
        printf 'export FINERY_TEST_POSTGRES_URL=%q\n' "$url"
    fi
    if [[ ",$wanted," == *,mysql,* ]] && url="$(provide mysql "${FINERY_TEST_MYSQL_URL:-}" \
        mysql+pymysql://root@127.0.0.1:3306/test \
        mysql+pymysql://root@127.0.0.1:$own_mysql_port/test)"; then
        databases+=,mysql
        printf 'export FINERY_TEST_MYSQL_URL=%q\n' "$url"
    fi
    printf 'export FINERY_TEST_DATABASES=%q\n' "$databases"
}

# end_server PROGRAM SIGNAL PID_FILE: the name is checked, since a number left by an earlier boot may be a stranger's.
end_server() {
    local program="$1" signal="$2" pid
    [ -f "$3" ] || return 0
    pid="$(head -1 "$3")"
    [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$program" ] || return 0
    kill -s "$signal" "$pid"
    wait_until test ! -e "/proc/$pid"
}

stop() {
    # SIGTERM would let PostgreSQL wait for its clients.
    end_server postgres INT "$state/postgres/data/postmaster.pid"
    end_server mariadbd TERM "$state/mysql/pid"
    rm -rf "$state"
}

faketime() {
    local library
    library="/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1"
    if [ -n "${FINERY_TEST_FAKETIME:-}" ]; then
        library="$FINERY_TEST_FAKETIME"
    elif [ ! -e "$library" ] && ! install_packages faketime; then
        say "faketime: not found and could not be installed; the rounds with jumps of the clock are left out."
    fi
    printf 'export FINERY_TEST_FAKETIME=%q\n' "$library"
}

browser() {
    local program="${FINERY_TEST_BROWSER:-}" name
    if [ -z "$program" ] && ! program="$(find_browser)" && install_packages chromium fonts-noto-cjk; then
        program="$(find_browser)" || program=""
    fi
    # The page is tried behind it, too.
    PATH="$PATH:/usr/sbin" command -v nginx >/dev/null || install_packages nginx-light ||
        say "nginx: not found and could not be installed; the test of the page behind it is skipped."
    if [ -z "$program" ]; then
        say "browser: no Chromium was found and none could be installed; the tests of the page in a browser are skipped." \
            "Install it, or set FINERY_TEST_BROWSER."
    fi
    printf 'export FINERY_TEST_BROWSER=%q\n' "$program"
}

find_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

case "${1:-start}" in
start) start ;;
stop) stop ;;
browser) browser ;;
faketime) faketime ;;
*)
    say "Usage: services.sh start|stop|browser|faketime"
    exit 2
    ;;
esac
