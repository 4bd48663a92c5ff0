#!/bin/sh
# Proves the Twilio simulator with Twilio's own Python library; TwiML files to check may follow as arguments.
# Needs python3 with venv. Builds the simulator unless TWILIO_SIM names one.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/proofs/twilio-venv

if [ -z "${TWILIO_SIM:-}" ]; then
    (cd "$root" && cargo build --quiet -p frontdesk-twilio-sim)
    TWILIO_SIM=$target/debug/twilio-sim
fi
export TWILIO_SIM
# The source tree stays as it is checked out.
export PYTHONDONTWRITEBYTECODE=1

# The stamp is the list of pinned packages itself: a changed pin makes a new environment.
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/installed.txt"
fi

exec "$venv/bin/python" "$here/proof.py" "$@"
