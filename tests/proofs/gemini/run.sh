#!/bin/sh
# Proves that Google's own Python and JavaScript SDKs hold a conversation with gemini-sim.
# Usage: tests/proofs/gemini/run.sh [python|javascript]...   (both without an argument)
# Needs python3 with venv, node with npm, espeak-ng and sox; the SDKs are installed below the target folder, once.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
cache=$target/proofs/gemini
key=proof-$$
mkdir -p "$cache"
work=$(mktemp -d)
sim=

finish() {
    if [ -n "$sim" ]; then
        kill "$sim" 2>/dev/null || true
        wait "$sim" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

for program in python3 node npm espeak-ng sox cargo; do
    command -v "$program" >/dev/null || { echo "run.sh: $program is not installed" >&2; exit 1; }
done
[ $# -gt 0 ] || set -- python javascript

# A changed list of versions makes a fresh installation.
install_python() {
    if ! cmp -s "$here/requirements.txt" "$cache/venv/requirements.txt"; then
        rm -rf "$cache/venv"
        python3 -m venv "$cache/venv"
        "$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$cache/venv/"
    fi
}

install_javascript() {
    if ! cmp -s "$here/package.json" "$cache/js/installed.json"; then
        rm -rf "$cache/js"
        mkdir -p "$cache/js"
        cp "$here/package.json" "$cache/js/"
        npm install --prefix "$cache/js" --silent --no-audit --no-fund --no-package-lock
        cp "$here/package.json" "$cache/js/installed.json"
    fi
    # Node looks for packages beside the script.
    cp "$here/proof.mjs" "$cache/js/"
}

# The caller's lines, in the voice that the default scenario listens for.
line() {
    espeak-ng -v en-us -s 170 -p 50 --stdout "$2" >"$work/line.wav"
    # espeak-ng cannot fill in the lengths of a pipe's WAV header, and sox says so.
    sox --ignore-length "$work/line.wav" -r 16000 -c 1 -b 16 -e signed-integer -t raw "$work/$1.pcm" 2>/dev/null
}

cargo build --quiet --manifest-path "$root/Cargo.toml" -p frontdesk-gemini-sim
line hours "What are your opening hours?"
line appointment "Hello, I would like to make an appointment, please."

# Any free ports; the simulator says first of all which they are.
mkfifo "$work/addresses"
"$target/debug/gemini-sim" --listen 127.0.0.1:0 --tls-listen 127.0.0.1:0 --ca-out "$work/ca.pem" \
    --api-key "$key" >"$work/addresses" 2>"$work/log" &
sim=$!
{ read -r ws && read -r wss && read -r _; } <"$work/addresses" || {
    cat "$work/log" >&2
    exit 1
}

for language; do
    echo "== $language"
    case $language in
    python)
        install_python
        SSL_CERT_FILE=$work/ca.pem "$cache/venv/bin/python" "$here/proof.py" "$wss" "$ws" "$key" "$work"
        ;;
    javascript)
        install_javascript
        NODE_EXTRA_CA_CERTS=$work/ca.pem node "$cache/js/proof.mjs" "$wss" "$ws" "$key" "$work"
        ;;
    *)
        echo "run.sh: no proof is called $language: python or javascript" >&2
        exit 2
        ;;
    esac
done
