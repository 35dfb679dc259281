#!/usr/bin/env bash
# Boots a fresh Debian or Ubuntu with systemd, and takes the package through its life: install, status,
# a restart, an upgrade under load, a broken upgrade, removal and purge. As root, with CAP_SYS_ADMIN:
#   apt-get install mmdebstrap systemd-container
#   booted.sh SUITE OLD.deb [NEW.deb [BROKEN.deb]]      SUITE: bookworm, trixie, noble
# The three have rising versions: VERSION=0.2.0 make deb. BROKEN cannot start.
# CACHE keeps the system that is booted; the second time is faster. On Debian, KEYRING names Ubuntu's
# keys (ubuntu-archive-keyring.gpg of its package ubuntu-keyring).
set -euo pipefail
suite=${1:?booted.sh SUITE OLD.deb [NEW.deb [BROKEN.deb]]}
debs=("${@:2}")
cache=${CACHE:-$(mktemp -d)} work=$(mktemp -d) name=voiced-$suite-$$
root=$work/root leader='' nspawn=''
port=8765

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'booted: %s\n' "$*" >&2; exit 1; }
is() { [[ $1 == "$2" ]] || fail "$3: $1, not $2"; }

# A command in the booted system.
inside() {
  nsenter -t "$leader" -m -u -i -n -p -C --wdns=/root -- env -i HOME=/root LANG=C.UTF-8 \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}
apt() { inside apt-get -qq -y --no-install-recommends "$@" >>"$work/apt.log" 2>&1 || { tail "$work/apt.log"; fail "apt-get $*"; }; }
state() { inside systemctl is-active "$1" || true; }
pid() { inside systemctl show -P MainPID "$1"; }
until_is() { local i; for i in $(seq 300); do [[ $(state "$1") == "$2" ]] && return; sleep 0.1; done; fail "$1 is not $2 after 30 s"; }

cgroups() { local at=/sys/fs/cgroup; [[ ! -d $at/unified ]] || at=$at/unified; echo $at /sys/fs/cgroup/systemd; }

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

boot() {
  local mirror components=main
  case $suite in
    noble) mirror=${MIRROR:-http://archive.ubuntu.com/ubuntu} components=main,universe ;;
    *) mirror=${MIRROR:-http://deb.debian.org/debian} ;;
  esac
  mkdir -p "$cache" "$root"
  [[ -e $cache/$suite.tar ]] || mmdebstrap --quiet --variant=minbase --components=$components \
    --include=apt,systemd,systemd-sysv,dbus,procps,ca-certificates,curl,python3-numpy,python3-msgpack,tzdata,passwd \
    ${KEYRING:+--keyring="$KEYRING"} "$suite" "$cache/$suite.part.tar" "$mirror"
  [[ -e $cache/$suite.tar ]] || mv "$cache/$suite.part.tar" "$cache/$suite.tar"
  tar -C "$root" -xf "$cache/$suite.tar"
  cp "${debs[@]}" "$root/root/"
  local at; for at in $(cgroups); do [[ ! -d $at ]] || mkdir -p "$at/$name"; done
  # A cgroup of its own, version 2 inside, also where the host has both. exec: nspawn is our child.
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid bash -c '
    for at in '"$(cgroups)"'; do [[ ! -d $at ]] || echo $$ > "$at/'"$name"'/cgroup.procs"; done
    exec systemd-nspawn --quiet -D "$1" --boot --machine="$2" --register=no --keep-unit \
      --private-network --console=pipe' - "$root" "$name" </dev/null >"$work/boot.log" 2>&1 &
  nspawn=$!
  for _ in $(seq 300); do
    leader=$(pgrep -P $nspawn || true)
    [[ -n $leader && -S /proc/$leader/root/run/systemd/private ]] && break
    kill -0 $nspawn || { cat "$work/boot.log"; fail "it does not boot"; }
    sleep 0.1
  done
  is "$(inside systemctl is-system-running --wait)" running "$suite"
}

# Asks once in 25 ms, and prints what was not answered with 200.
probe() {
  inside bash -c 'while [[ ! -e /root/enough ]]; do
    code=$(curl -s -o /dev/null -m 5 -w "%{http_code}" http://127.0.0.1:'$port'/healthz); echo "$code $(date +%T.%N)"
    sleep 0.025; done' >"$work/probe" &
}
probed() {
  inside touch /root/enough; wait $!; inside rm /root/enough
  local all lost; all=$(wc -l <"$work/probe") lost=$(grep -vc '^200 ' "$work/probe" || true)
  say "requests meanwhile: $all, unanswered: $lost"
  ((all > 20)) || fail "the prober did not run"
  is "$lost" 0 "requests without an answer"
}

say "booting $suite"
boot
say "install"
apt install "./$(basename "${debs[0]}")"
is "$(state voiced.service)" active voiced.service
is "$(state voiced.socket)" active voiced.socket
is "$(inside stat -c %a:%U /etc/voiced/secrets.toml)" 600:root secrets.toml
is "$(inside stat -c %a:%U /var/lib/voiced)" 700:voiced /var/lib/voiced
is "$(inside curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/healthz)" 200 healthz
inside systemctl status voiced --no-pager | sed -n '1,/CGroup/p'
inside voiced check && fail "check finds nothing to configure" || true
inside systemd-analyze security voiced.service --no-pager | tail -1
exposure=$(inside systemd-analyze security voiced.service --no-pager | sed -n 's/.*: \([0-9.]*\) .*/\1/p' | tail -1)
awk "BEGIN { exit !($exposure <= 1.1) }" || fail "exposure is $exposure"

say "no, some and all secrets"
inside mv /etc/voiced/secrets.toml /root/
inside systemctl restart voiced
is "$(state voiced.service)" active "voiced without secrets.toml"
inside mv /root/secrets.toml /etc/voiced/
inside sed -i 's/^#twilio.auth_token =/twilio.auth_token =/' /etc/voiced/secrets.toml
inside systemctl restart voiced
inside voiced config 2>&1 | grep -q '^auth_token = "\*' || fail "the token in secrets.toml is not seen"
since=$(inside systemctl show -P InvocationID voiced)
inside journalctl --no-pager -o cat "_SYSTEMD_INVOCATION_ID=$since" | grep 'auth_token is not set' && fail "the daemon is not given the token" || true

if ((${#debs[@]} > 1)); then
  say "upgrade"
  before=$(pid voiced)
  probe
  apt install "./$(basename "${debs[1]}")"
  for _ in $(seq 300); do [[ $(pid voiced) != "$before" && $(state voiced) == active ]] && break; sleep 0.1; done
  until_is voiced-handover.service inactive
  probed
  [[ $(pid voiced) != "$before" ]] || fail "the old process is still there"
fi
if ((${#debs[@]} > 2)); then
  say "a broken upgrade"
  before=$(pid voiced)
  probe
  apt install "./$(basename "${debs[2]}")"
  grep 'voiced: the new version' "$work/apt.log" || fail "apt said nothing"
  is "$(pid voiced)" "$before" "the process that serves"
  probed
  inside journalctl -u voiced-handover --no-pager -o cat -n 3
  apt install --allow-downgrades "./$(basename "${debs[1]}")"
  for _ in $(seq 300); do [[ $(pid voiced) != "$before" && $(state voiced) == active ]] && break; sleep 0.1; done
  until_is voiced-handover.service inactive
fi

say "remove and purge"
inside journalctl --no-pager -p warning -o cat _SYSTEMD_UNIT=init.scope + _PID=1 | grep -i voiced || true
apt remove voiced
is "$(state voiced.socket)" inactive voiced.socket
apt purge voiced
left=$(inside find / -xdev -name '*voiced*' -not -path '/root/*' -not -path '/var/log/journal/*' -not -path '/var/cache/apt/*')
is "$left" "" "left after the purge"
inside getent passwd voiced && fail "the user is left" || true
say "all is well on $suite"
