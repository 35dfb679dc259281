#!/usr/bin/env bash
# Builds the package and tries it in booted systems: `make test-deb`. SUITES: which (bookworm trixie).
# Where it cannot, it says so loudly and is content: the rest of the tests is no less true for that.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
cd "$here/../.."
read -ra suites <<<"${SUITES:-bookworm trixie}"
tools=(mmdebstrap systemd-container debhelper dh-python dpkg-dev python3-packaging python3-pip)

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
skip() {
  printf '\033[1;33m\n%s\n   NOT TESTED: %s\n   Why: %s\n%s\n\033[0m' "${bar:=$(printf '!%.0s' {1..78})}" "$1" "$2" "$bar" >&2
  exit 0
}

whole="the package in booted systems (${suites[*]})"
((EUID == 0)) || skip "$whole" "this is not root; sudo make test-deb"
command -v apt-get >/dev/null || skip "$whole" "this is neither Debian nor Ubuntu"
missing=()
for tool in "${tools[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$tool" 2>/dev/null) == installed ]] || missing+=("$tool")
done
if ((${#missing[@]})); then
  say "installing Debian packages: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
    skip "$whole" "these packages are missing, and cannot be installed: ${missing[*]}"
fi
unshare --mount --pid --fork true 2>/dev/null || skip "$whole" "no right to make containers (CAP_SYS_ADMIN)"

debs=$(mktemp -d)
trap 'rm -rf "$debs"' EXIT

# The checkout's version, one before it, and one after it that cannot start.
version=$(/usr/bin/python3 -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
bash "$here/build.sh"
cp "dist/voiced_${version}_all.deb" "$debs/new.deb"
again() { # NAME VERSION: the same package by another version
  dpkg-deb --raw-extract "$debs/new.deb" "$debs/tree"
  sed -i "s/^Version: .*/Version: $2/" "$debs/tree/DEBIAN/control"
  [[ $1 != broken ]] || sed -i '1i import a_library_that_is_not_there' "$debs/tree/usr/lib/voiced/voiced/cli.py"
  dpkg-deb --root-owner-group -Zxz -z1 --build "$debs/tree" "$debs/$1.deb" >/dev/null
  rm -r "$debs/tree"
}
again old "$version~old"
again broken "$version+broken"

for suite in "${suites[@]}"; do
  if ! (. "$here/container.sh" && base "$suite"); then
    (skip "the package in a booted $suite" "its base system is not in the cache and cannot be fetched")
    continue
  fi
  code=0
  bash "$here/booted.sh" "$suite" "$debs"/{old,new,broken}.deb || code=$?
  case $code in
    0) ;;
    77) (skip "the package in a booted $suite" "the system does not boot on this machine") ;;
    *) exit "$code" ;;
  esac
done
