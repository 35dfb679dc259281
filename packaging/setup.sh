#!/usr/bin/env bash
# Sets up a checkout: Debian packages, a virtual environment from the lock file, voiced itself.
# Run by `make`; safe to run again. Usage: packaging/setup.sh VENV
set -euo pipefail
venv=${1:?usage: packaging/setup.sh VENV}
cd "$(dirname "$0")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# A Python that voiced supports: the first of these that can also make a virtual environment.
find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

missing=()
command -v espeak-ng >/dev/null || missing+=(espeak-ng)
find_python >/dev/null || missing+=(python3 python3-venv)
if ((${#missing[@]})); then
  command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
  run=()
  ((EUID == 0)) || run=(sudo)
  say "installing Debian packages: ${missing[*]}"
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

python=$(find_python) || fail "needs Python 3.11 to 3.13 with venv; found none"
if ! "$venv/bin/python" -c '' 2>/dev/null; then
  say "making $venv with $("$python" --version)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
say "installing the locked dependencies into $venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
