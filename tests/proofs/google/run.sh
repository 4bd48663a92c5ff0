#!/bin/sh
# Proves that Google's own Python clients sign in, keep calendars and send mail with google-sim, and that they tell its
# errors apart as they tell Google's.
# Needs python3 with venv; the clients are installed below the target folder, once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/proofs/google/venv
work=$(mktemp -d)
sim=
export PYTHONDONTWRITEBYTECODE=1

finish() {
    if [ -n "$sim" ]; then
        kill "$sim" 2>/dev/null || true
        wait "$sim" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# A changed list of versions makes a fresh installation.
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

cargo build --quiet --manifest-path "$root/Cargo.toml" -p frontdesk-google-sim

# Any free port; the simulator says first of all which it is.
mkfifo "$work/address"
"$target/debug/google-sim" --listen 127.0.0.1:0 --key-out "$work/key.json" --client-out "$work/client.json" \
    --delegate "frontdesk@clinic.example=https://www.googleapis.com/auth/gmail.send" --largest-page 3 \
    --refresh-token-days 7 >"$work/address" 2>"$work/log" &
sim=$!
read -r base <"$work/address" || {
    cat "$work/log" >&2
    exit 1
}

"$venv/bin/python" "$here/proof.py" "$base" "$work/key.json" "$work/client.json" || {
    cat "$work/log" >&2
    exit 1
}
