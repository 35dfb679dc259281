#!/usr/bin/env bash
# Boots a fresh Debian or Ubuntu with systemd, and takes the package through its life: install, a call,
# reload, a wedged daemon, a killed one, a stop with a call, an upgrade and a broken one, both with
# calls, removal and purge. As root, with CAP_SYS_ADMIN:
#   apt-get install mmdebstrap systemd-container
#   booted.sh SUITE OLD.deb [NEW.deb [BROKEN.deb]]      SUITE: bookworm, trixie, noble
# The three have rising versions, and BROKEN cannot start; `make test-deb` makes them.
# CACHE, KEYRING, MIRROR: see container.sh.
set -euo pipefail
suite=${1:?booted.sh SUITE OLD.deb [NEW.deb [BROKEN.deb]]}
debs=("${@:2}")
here=$(realpath "$(dirname "$0")")
. "$here/container.sh"
. "$here/lab.sh"

CALL_ENDED=1eaf5cc230794057aceb56e9ca006856
CALLER=15550100001

install() { apt install "$@" "./$(basename "$deb")"; } # of $deb
runs_anew() { [[ $(pid voiced) != "$1" && $(pid voiced) != 0 ]] && is_now voiced active; }
journal() { inside journalctl --sync; inside journalctl --no-pager "$@"; }
swapped() { # OLD PID
  within 60 "the new version as voiced.service" runs_anew "$1"
  within 60 "an end of voiced-handover.service" is_now voiced-handover inactive
}

# Somebody who asks each 25 ms, and what was not answered with 200.
probe() {
  cp "$here/probe.py" "$root/root/"
  inside python3 -I probe.py $port /root/enough >"$work/probe" &
  prober=$!
}
probed() {
  inside touch /root/enough; wait $prober; inside rm /root/enough
  local all lost slowest
  all=$(wc -l <"$work/probe") lost=$(grep -vc '^200 ' "$work/probe" || true)
  slowest=$(awk '{ print $3 }' "$work/probe" | sort -n | tail -n 1)
  say "requests meanwhile: $all, without an answer: $lost, slowest: $slowest ms"
  ((all > 100)) || fail "the prober did not run"
  [[ $lost == 0 ]] || { grep -v '^200 ' "$work/probe" | head; fail "$lost requests without an answer"; }
}

# A call in the background; it is on its way when this returns.
begin() { # NAME WAV [OPTION...]
  phone "$@" & calls[$1]=$!
  within 15 "the call $1" grep -qs 'agent   (speaks)' "$work/$1.txt"
}
declare -A calls
# The call has gone to its very end, and the telephone found nothing odd. (Gaps: a busy machine has some.)
whole() { # NAME
  wait "${calls[$1]}" || { cat "$work/$1.txt"; fail "the call $1 was not taken"; }
  is "$(told "$1" 'call["ended"], call["warnings"]')" "('the caller hung up', [])" "the call $1"
  tail -n 1 "$work/$1.txt"
}

installs() {
  deb=${debs[0]} install
  is "$(state voiced.service)" active voiced.service
  is "$(state voiced.socket)" active voiced.socket
  is "$(inside stat -c %a:%U /etc/voiced/secrets.toml)" 600:root secrets.toml
  is "$(inside stat -c %a:%U /var/lib/voiced)" 700:voiced /var/lib/voiced
  is "$(inside curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/healthz)" 200 healthz
  ! inside voiced check >/dev/null 2>&1 || fail "check finds nothing to configure"
  inside systemctl stop voiced.socket voiced
  inside systemctl start voiced
  is "$(state voiced.socket)" active "the socket after systemctl start voiced"
  inside systemctl status voiced --no-pager | grep -E 'Active|Status'
}

is_sandboxed() {
  local exposure
  exposure=$(inside systemd-analyze security voiced.service --no-pager | sed -n 's/.*: \([0-9.]*\) .*/\1/p' | tail -1)
  echo "exposure: $exposure"
  awk "BEGIN { exit !($exposure <= 1.1) }" || fail "exposure is $exposure"
}

has_secrets() {
  inside mv /etc/voiced/secrets.toml /root/
  inside systemctl restart voiced
  is "$(state voiced.service)" active "voiced without secrets.toml"
  inside mv /root/secrets.toml /etc/voiced/
  lab
  inside voiced config 2>&1 | grep -q '^auth_token = "\*' || fail "the token in secrets.toml is not seen"
}

serves_a_call() {
  begin first brief
  within 3 "STATUS of a call" status '^1 call, .* STT slots free'
  whole first
  local sid; sid=$(told first 'call["call_sid"]')
  journal CALL_SID="$sid" -o json >"$work/journal.json"
  python3 -I - "$work/journal.json" $CALL_ENDED $CALLER <<'PY'
import json, sys
path, ended, number = sys.argv[1:]
text = open(path).read()
records = [json.loads(line) for line in text.splitlines()]
by_kind = {each.get("MESSAGE_ID"): each for each in records}
last = by_kind[ended]
wanted = {"REASON": "hangup", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "voiced", "_SYSTEMD_UNIT": "voiced.service"}
wrong = {name: last.get(name) for name, value in wanted.items() if last.get(name) != value}
assert not wrong, f"journal: {wrong}"
assert {"STREAM_SID", "LATENCY_MS", "STAGE", "TURNS", "CODE_FILE"} <= last.keys(), f"journal: {last}"
assert any(each["MESSAGE"].startswith("turn ended") and "LATENCY_MS" in each for each in records)
assert number not in text, "journal: a caller's number"
print(f"journal: {len(records)} records of the call; LATENCY_MS={last['LATENCY_MS']} STAGE={last['STAGE']}")
PY
  [[ $suite == noble ]] || journal -x CALL_SID="$sid" MESSAGE_ID=$CALL_ENDED | grep -q "Subject: Call $sid has ended" ||
    fail "journalctl -x does not explain"
}

reloads() {
  local before; before=$(pid voiced)
  inside sed -i 's/^greeting = .*/greeting = "Good evening."/' /etc/voiced/voiced.toml
  inside systemctl reload voiced
  is "$(pid voiced)" "$before" "the process after a reload"
  status 'no calls' || fail "STATUS after a reload: $(inside systemctl show -P StatusText voiced)"
  echo 'port = nonsense [' >>"$root/etc/voiced/voiced.toml"
  inside systemctl reload voiced
  is "$(state voiced)" active "voiced after a configuration that is wrong"
  echo "STATUS: $(inside systemctl show -P StatusText voiced)"
  ! status 'slots free$' || fail "STATUS does not tell of a configuration that was not taken"
  inside sed -i '/nonsense/d' /etc/voiced/voiced.toml
  inside systemctl reload voiced
}

# Its loop stands still, as in a bug: a signal's handler that never returns. With a shorter interval.
outlives_a_wedge() {
  mkdir -p "$root/usr/local/lib" "$root/etc/systemd/system/voiced.service.d"
  cat >"$root/usr/local/lib/wedged" <<'PY'
import signal, sys

sys.path[:0] = ["/usr/lib/voiced", "/usr/lib/voiced/vendor"]
from voiced.cli import main

def wedge(*_):
    while True:
        pass

signal.signal(signal.SIGUSR1, wedge)
sys.exit(main())
PY
  printf '[Service]\nWatchdogSec=3\nExecStart=\nExecStart=/usr/bin/python3 -I /usr/local/lib/wedged run\n' \
    >"$root/etc/systemd/system/voiced.service.d/wedged.conf"
  inside systemctl daemon-reload
  inside systemctl restart voiced
  local before since; before=$(pid voiced) since=$(date +%s%N)
  inside kill -USR1 "$before"
  within 15 "back after a wedge" runs_anew "$before"
  echo "back after $((($(date +%s%N) - since) / 1000000)) ms (WatchdogSec=3)"
  journal -u voiced -o cat -n 30 | grep 'Watchdog timeout' || fail "it was not the watchdog"
  inside rm -r /etc/systemd/system/voiced.service.d /usr/local/lib/wedged
  inside systemctl daemon-reload
  inside systemctl restart voiced
}

# kill -9 in mid-call: the daemon is back, and so is the caller.
outlives_a_kill() {
  local before since sid
  begin killed long --api-port $api --api-account $account --to +33100000001
  before=$(pid voiced) since=$(date +%s%N)
  inside kill -9 "$before"
  within 15 "back after a kill" runs_anew "$before"
  echo "back after $((($(date +%s%N) - since) / 1000000)) ms"
  within 20 "the caller fetched back" status '^1 call,'
  sid=$(grep -o 'CA[0-9a-f]\{32\}' "$work/killed.txt" | head -n 1)
  # Either of two brings them back, whoever is first: the daemon's order, or the carrier's question.
  is "$(grep -c '(connected)' "$work/killed.txt")" 2 "media streams of the call"
  journal CALL_SID="$sid" -o cat | tail -n 3
  loses_the_caller "$sid"
}

# And again, with nobody left to be fetched: the carrier is told to end the leg, the record is closed.
loses_the_caller() { # SID
  local before; before=$(pid voiced)
  inside kill -9 "$before" "$(<"$root/root/killed.pid")"
  wait "${calls[killed]}" || true
  cp "$here/carrier.py" "$root/root/"
  inside systemd-run --quiet --unit=carrier python3 -I /root/carrier.py $api /root/asked
  within 15 "back after a second kill" runs_anew "$before"
  within 15 "an order to end the orphan's leg" grep -qs "/Calls/$1.json Status=completed" "$root/root/asked"
  cat "$root/root/asked"
  inside systemctl stop carrier
  is "$(inside voiced show "$1" --json | reason)" crash "why the orphan ended, on record"
  is "$(inside voiced show "$(told first 'call["call_sid"]')" --json | reason)" hangup "the first call's record"
  inside python3 -I -c 'import sqlite3
print("voiced.db:", *sqlite3.connect("/var/lib/voiced/voiced.db").execute("pragma integrity_check").fetchone())' |
    grep 'voiced.db: ok' || fail "the database is damaged"
}
reason() { python3 -I -c 'import json, sys; print(json.load(sys.stdin)["reason"])'; }

# A stop, with less time than the call takes: voiced asks for more while it drains.
drains() {
  mkdir -p "$root/etc/systemd/system/voiced.service.d"
  printf '[Service]\nTimeoutStopSec=2\n' >"$root/etc/systemd/system/voiced.service.d/hasty.conf"
  inside systemctl daemon-reload
  begin drained brief
  inside systemctl stop --no-block voiced
  within 5 "STATUS of a drain" status '^draining 1 call'
  echo "STATUS: $(inside systemctl show -P StatusText voiced)"
  whole drained
  within 20 "a stop after the last call" is_now voiced inactive
  inside rm -r /etc/systemd/system/voiced.service.d
  inside systemctl daemon-reload
  inside systemctl start voiced
}

upgrades() {
  local before; before=$(pid voiced)
  deb=${debs[1]}
  probe
  begin across medium
  install
  begin meanwhile brief
  whole across
  whole meanwhile
  journal CALL_SID="$(told meanwhile 'call["call_sid"]')" _SYSTEMD_UNIT=voiced-handover.service -o cat |
    grep -q '^call ended.* reason=hangup' || fail "the stand-in did not take the new call"
  swapped "$before"
  probed
}

outlives_a_broken_upgrade() {
  local before; before=$(pid voiced)
  deb=${debs[2]}
  probe
  begin broken short
  install
  grep 'voiced: the new version' "$work/apt.log" || fail "apt said nothing"
  is "$(pid voiced)" "$before" "the process that serves"
  whole broken
  probed
  deb=${debs[1]} install --allow-downgrades
  swapped "$before"
}

goes() {
  apt remove voiced
  is "$(state voiced.socket)" inactive voiced.socket
  apt purge voiced
  local left
  left=$(inside find / -xdev -name '*voiced*' -not -path '/root/*' -not -path '/var/log/journal/*' -not -path '/var/cache/apt/*')
  is "$left" "" "left after the purge"
  ! inside getent passwd voiced || fail "the user is left"
}

step() { say "$suite: it ${1//_/ } ($SECONDS s)"; "$1"; }

boot "$suite"
cp "${debs[@]}" "$root/root/"
step installs
step is_sandboxed
step has_secrets
step serves_a_call
step reloads
step outlives_a_wedge
step outlives_a_kill
step drains
((${#debs[@]} < 2)) || step upgrades
((${#debs[@]} < 3)) || step outlives_a_broken_upgrade
step goes
say "all is well on $suite after $SECONDS s"
