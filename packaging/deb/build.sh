#!/usr/bin/env bash
# Builds dist/voiced_VERSION_all.deb from this checkout, the same bytes each time. Run by `make deb`.
# VERSION and SOURCE_DATE_EPOCH in the environment replace the project's version and the time of the
# last commit.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022
export LC_ALL=C.UTF-8 TZ=UTC

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() { printf 'deb: %s\n' "$*" >&2; exit 1; }

# The distribution's Python, whatever else comes first in the path: the package is made for it.
python=/usr/bin/python3
tools=(debhelper dh-python dpkg-dev python3 python3-packaging python3-pip)

command -v dpkg-query >/dev/null || fail "needs Debian or Ubuntu"
missing=()
for tool in "${tools[@]}"; do
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$tool" 2>/dev/null) == installed ]] || missing+=("$tool")
done
if ((${#missing[@]})); then
  run=()
  ((EUID == 0)) || run=(sudo)
  say "installing Debian packages: ${missing[*]}"
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "needs Python 3.11 as $python"

version=${VERSION:-$("$python" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)} || fail "no commit to take the time from: set SOURCE_DATE_EPOCH"
export SOURCE_DATE_EPOCH

build=build/deb tree=build/deb/voiced-$version
rm -rf $build
mkdir -p "$tree"/{bin,etc,packaging/{manual,man,completion,systemd,moshi-server}} dist

say "gathering voiced $version"
cp -r voiced "$tree"
cp docs/*.md CHANGELOG.md "$tree/packaging/manual"
find "$tree" -name __pycache__ -prune -exec rm -rf {} +
cp -r packaging/proxy "$tree/packaging"
[[ ! -d packaging/monitoring ]] || cp -r packaging/monitoring "$tree/packaging"
cp packaging/man/voiced.* "$tree/packaging/man"
cp packaging/completion/* "$tree/packaging/completion"
cp packaging/moshi/* packaging/systemd/moshi-server@.service "$tree/packaging/moshi-server"
cp packaging/deb/voiced "$tree/bin"
cp voiced/voiced.toml packaging/deb/secrets.toml packaging/deb/needrestart.conf "$tree/etc"
cp -r packaging/deb/debian "$tree"
cp packaging/systemd/voiced{.service,.socket,.sysusers} "$tree/debian"
cp packaging/systemd/voiced-handover.service "$tree/debian/voiced.voiced-handover.service"
[[ ! -e packaging/systemd/voiced.catalog ]] || cp packaging/systemd/voiced.catalog "$tree/packaging/systemd"
cat > "$tree/debian/changelog" <<END
voiced ($version) unstable; urgency=medium

  * What is new: /usr/share/doc/voiced/CHANGELOG.md

 -- The voiced authors <voiced@example.org>  $(date --rfc-email --date="@$SOURCE_DATE_EPOCH")
END

say "gathering its libraries"
"$python" packaging/deb/vendor.py build/wheels "$tree/vendor"

say "building the package"
(cd "$tree" && dpkg-buildpackage --build=binary --no-sign --no-check-builddeps >../build.log 2>&1) ||
  { tail -n 30 $build/build.log >&2; fail "dpkg-buildpackage failed; all it said: $build/build.log"; }
mv "$build/voiced_${version}_all.deb" dist/
(cd dist && sha256sum "voiced_${version}_all.deb")
