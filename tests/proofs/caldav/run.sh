#!/bin/sh
# Proves that the daemon keeps calendars on a real CalDAV server, Radicale, also while calls go on and the server is away.
# Usage: tests/proofs/caldav/run.sh [argument of cargo test]...
# Needs python3 with venv; the server is installed below the target folder, once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/proofs/caldav-venv
work=$(mktemp -d)
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The stamp is the list of pinned packages itself: a changed pin makes a new environment.
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

# Built before the server runs: whoever waits for it waits for nothing else. With its tests cargo builds the daemon itself,
# which the stories start.
cd "$root"
cargo test --quiet -p frontdeskd --test radicale --no-run
cargo test --quiet -p frontdesk-tests --test outside --no-run

printf 'frontdesk:s3cret-clinic\n' >"$work/users"
# Radicale takes no port 0: a free one is asked for, and another if somebody was faster.
free_port='import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
start() {
    port=$("$venv/bin/python" -c "$free_port")
    "$venv/bin/radicale" --config "" --server-hosts "127.0.0.1:$port" \
        --auth-type htpasswd --auth-htpasswd-filename "$work/users" --auth-htpasswd-encryption plain --auth-delay 0 \
        --storage-filesystem-folder "$work/data" --web-type none --logging-level warning 2>"$work/log" &
    server=$!
    "$venv/bin/python" "$here/wait.py" "127.0.0.1" "$port" "$server"
}
start || start || { cat "$work/log" >&2; exit 1; }

export RADICALE="http://127.0.0.1:$port"
cargo test --quiet -p frontdeskd --test radicale -- "$@"
cargo test --quiet -p frontdesk-tests --test outside -- --skip mail "$@"
