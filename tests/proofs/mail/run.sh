#!/bin/sh
# Proves that letters reach a real mail server (aiosmtpd), that every way for it to fail is told for what it is, that a
# letter is delayed and not lost when the server is away during a call, and that other people's libraries read the letters
# and the calendar files in them.
# Needs python3 with venv; the server and the libraries are installed below the target folder, once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/proofs/mail/venv
letters=$(mktemp -d)
trap 'rm -rf "$letters"' EXIT
trap 'exit 130' INT TERM
export PYTHONDONTWRITEBYTECODE=1

# A changed list of versions makes a fresh installation.
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

export MAIL_SERVER="$venv/bin/python $here/server.py" MAIL_LETTERS=$letters
cd "$root"
# With its tests cargo builds the daemon itself, which the stories start.
cargo test --quiet -p frontdeskd --test smtp
cargo test --quiet -p frontdesk-tests --test outside mail
"$venv/bin/python" "$here/check.py" "$letters"
