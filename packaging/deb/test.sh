#!/usr/bin/env bash
# Builds the package and tries it in booted systems, and its alert rules: `make test-deb`.
# SUITES: which systems (bookworm trixie noble). CACHE, KEYRING, MIRROR: see container.sh.
# Where it cannot, it says so loudly and is content: the rest of the tests is no less true for that.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
cd "$here/../.."
read -ra suites <<<"${SUITES:-bookworm trixie noble}"
tools=(mmdebstrap systemd-container debhelper dh-python dpkg-dev python3-packaging python3-pip)
# What is upgraded from: the first commit whose daemons hand each other's webhooks on by `at=`.
older=ee60c759f04e39b7ff71795e533d3607a782f567

loudly() { # WHAT WHY
  printf '\033[1;33m\n%s\n   NOT TESTED: %s\n   Why: %s\n%s\n\033[0m' "${bar:=$(printf '!%.0s' {1..78})}" "$1" "$2" "$bar" >&2
}
skip() { loudly "$@"; exit 0; }

whole="the package in booted systems (${suites[*]})"
((EUID == 0)) || skip "$whole" "this is not root; sudo make test-deb"
command -v apt-get >/dev/null || skip "$whole" "this is neither Debian nor Ubuntu"
. "$here/cache.sh"

# The rules, and where the checkout has its tools, what else Prometheus has to understand.
rules() {
  local tool
  tool=$(promtool) || { loudly "the alert rules" "promtool is missing, and cannot be fetched"; return 0; }
  say "the alert rules"
  "$tool" check rules packaging/monitoring/alerts.yml
  (cd packaging/monitoring && "$tool" test rules alerts_test.yml)
  [[ ! -x .venv/bin/pytest ]] || PATH=$(dirname "$tool"):$PATH .venv/bin/pytest -q -p no:cacheprovider \
    -k promtool tests/ops/test_metrics.py tests/ops/test_metrics_monitoring.py
}
rules

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

# From the checkout: a version after it that cannot start, and one whose records have a new schema.
version=$(/usr/bin/python3 -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
bash "$here/build.sh"
cp "dist/voiced_${version}_all.deb" "$debs/new.deb"
again() { # NAME VERSION: the same package by another version
  local tree=$debs/tree
  dpkg-deb --raw-extract "$debs/new.deb" "$tree"
  sed -i "s/^Version: .*/Version: $2/" "$tree/DEBIAN/control"
  local code=$tree/usr/lib/voiced/voiced
  case $1 in
    broken) sed -i '1i import a_library_that_is_not_there' "$code/cli.py" ;;
    later) echo "MIGRATIONS = (*MIGRATIONS, \"ALTER TABLE calls ADD COLUMN later TEXT NOT NULL DEFAULT ''\")" \
      >>"$code/records/schema.py" ;;
  esac
  dpkg-deb --root-owner-group -Zxz -z1 --build "$tree" "$debs/$1.deb" >/dev/null
  rm -r "$tree"
}
again broken "$version+broken"
again later "$version+later"

# By the older commit's own build.sh; its version is lower than any. Kept in the cache.
build_older() {
  local deb=$cache/voiced_$older.deb tree=$debs/older
  if [[ ! -e $deb ]]; then
    say "building the package of $(git log -1 --format='%h, %s' $older)" || return 1
    mkdir -p "$cache" "$tree/build"
    git archive $older | tar -x -C "$tree" || return 1
    [[ ! -d build/wheels ]] || cp -r build/wheels "$tree/build"
    VERSION=0~${older:0:7} SOURCE_DATE_EPOCH=$(git log -1 --format=%ct $older) \
      bash "$tree/packaging/deb/build.sh" || return 1
    mv "$tree"/dist/*.deb "$deb.part" && mv "$deb.part" "$deb" && rm -r "$tree"
  fi
  cp "$deb" "$debs/old.deb"
}
if ! git cat-file -e "$older^{commit}" 2>/dev/null; then
  loudly "an upgrade from older code" "this history does not reach back to ${older:0:7}; upgraded from the same code instead"
  again old "$version~old"
elif ! build_older; then
  loudly "an upgrade from older code" "the package of ${older:0:7} cannot be built; upgraded from the same code instead"
  again old "$version~old"
fi

for suite in "${suites[@]}"; do
  if ! (. "$here/container.sh" && base "$suite"); then
    loudly "the package in a booted $suite" "its base system is not in the cache and cannot be fetched"
    continue
  fi
  code=0
  bash "$here/booted.sh" "$suite" "$debs" || code=$?
  case $code in
    0) ;;
    77) loudly "the package in a booted $suite" "the system does not boot on this machine" ;;
    *) exit "$code" ;;
  esac
done
