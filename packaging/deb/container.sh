# shellcheck shell=bash
# A fresh Debian or Ubuntu, booted with systemd in a container. Sourced; needs root, CAP_SYS_ADMIN,
# mmdebstrap and systemd-nspawn. It sets `work` (a folder that goes when the shell does) and, by
# `boot SUITE`, `root` (the system's files), and has whoever sources it run commands in there.
# CACHE (cache.sh) keeps the systems that are booted. KEYRING: a file with Ubuntu's keys, else they
# are fetched; MIRROR: an archive nearby.
. "$here/cache.sh"
work=$(mktemp -d) root=$work/root leader='' nspawn='' name=voiced-test-$$

fail() { printf '\033[1mbooted: %s\033[0m\n' "$*" >&2; exit 1; }
is() { [[ $1 == "$2" ]] || fail "$3: $1, not $2"; }

# within SECONDS WHAT COMMAND...: until the command succeeds; fails loudly when it does not in time.
within() {
  local until=$((SECONDS + $1 + 1)) what=$2
  until "${@:3}"; do ((SECONDS < until)) || fail "$what: not within $1 s"; sleep 0.1; done
}

# A command in the booted system.
inside() {
  nsenter -t "$leader" -m -u -i -n -p -C --wdns=/root -- env -i HOME=/root LANG=C.UTF-8 \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}
apt() {
  # confold: as whoever keeps the configuration they have written, when another comes with a version.
  inside apt-get -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold "$@" >>"$work/apt.log" 2>&1 ||
    { tail "$work/apt.log"; fail "apt-get $*"; }
}
state() { inside systemctl is-active "$1" || true; }
pid() { inside systemctl show -P MainPID "$1"; }
is_now() { [[ $(state "$1") == "$2" ]]; }

# Where a host has both versions of cgroups, each has its own folder for the container.
cgroups() {
  local at=/sys/fs/cgroup
  [[ ! -d $at/unified ]] || at=$at/unified
  echo $at
  [[ ! -d /sys/fs/cgroup/systemd ]] || echo /sys/fs/cgroup/systemd
}

base() { # SUITE: fills the cache
  local suite=$1 mirror=${MIRROR:-$debian} components=main keys=''
  mkdir -p "$cache"
  [[ ! -e $cache/$suite.tar ]] || return 0
  if [[ $suite == noble ]]; then
    mirror=${MIRROR:-http://archive.ubuntu.com/ubuntu} components=main,universe
    # apt reads them as a user of its own, for whom the cache may be closed.
    chmod 711 "$work" && install -m 644 "${KEYRING:-$(ubuntu_keys)}" "$work/keys.gpg" || return 1
    keys=$work/keys.gpg
  fi
  say "fetching $suite; it is kept in $cache"
  mmdebstrap --quiet --variant=minbase --components=$components \
    --include=apt,systemd,systemd-sysv,dbus,procps,ca-certificates,curl,python3-numpy,python3-msgpack,tzdata,passwd \
    ${keys:+--keyring="$keys"} "$suite" "$work/$suite.tar" "$mirror" || return 1
  mv "$work/$suite.tar" "$cache/$suite.part" && mv "$cache/$suite.part" "$cache/$suite.tar"
}

# Nothing of ours is in there yet: it is the machine, and 77 says so.
cannot_boot() { cat "$work/boot.log"; printf 'booted: %s does not boot here\n' "$1" >&2; exit 77; }

boot() { # SUITE
  base "$1" || fail "no system of $1"
  mkdir -p "$root"
  tar -C "$root" -xf "$cache/$1.tar"
  local at; for at in $(cgroups); do mkdir -p "$at/$name" 2>>"$work/boot.log" || cannot_boot "$1"; done
  # A cgroup of its own, version 2 inside, also where the host has both. exec: nspawn is our child.
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid bash -c '
    for at in "${@:3}"; do echo $$ > "$at/$2/cgroup.procs"; done
    exec systemd-nspawn --quiet -D "$1" --boot --machine="$2" --register=no --keep-unit \
      --private-network --console=pipe' - "$root" "$name" $(cgroups) </dev/null >"$work/boot.log" 2>&1 &
  nspawn=$!
  for _ in $(seq 300); do
    leader=$(pgrep -P $nspawn || true)
    [[ -n $leader && -S /proc/$leader/root/run/systemd/private ]] && break
    kill -0 $nspawn 2>/dev/null || cannot_boot "$1"
    sleep 0.1
  done
  [[ -n $leader && $(inside systemctl is-system-running --wait) == running ]] || cannot_boot "$1"
}

down() {
  if [[ -n $nspawn ]]; then
    [[ -z $leader ]] || kill -s RTMIN+4 "$leader" 2>/dev/null || true
    local i; for i in $(seq 100); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$nspawn" 2>/dev/null || true
  fi
  rm -rf --one-file-system "$work"
  local at; for at in $(cgroups); do find "$at/$name" -depth -type d -exec rmdir {} \; 2>/dev/null || true; done
}
trap down EXIT
