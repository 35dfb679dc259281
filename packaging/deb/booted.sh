#!/usr/bin/env bash
# Boots a fresh Debian or Ubuntu with systemd, and takes the package through its life: install, a call,
# reload, a wrong configuration, a wedged daemon, a killed one, a stop with a call, upgrades, a broken one
# and a way back, with calls and transfers under way, removal and purge. As root, with CAP_SYS_ADMIN:
#   apt-get install mmdebstrap systemd-container
#   booted.sh SUITE FOLDER                         SUITE: bookworm, trixie, noble
# FOLDER has new.deb, what is tried; and, or there are no upgrades, old.deb, broken.deb and later.deb:
# a lower version, a higher one that does not start, and a still higher one that brings records of
# another schema. `make test-deb` makes them. CACHE, KEYRING, MIRROR: see container.sh.
set -euo pipefail
suite=${1:?booted.sh SUITE FOLDER} debs=${2:?booted.sh SUITE FOLDER}
here=$(realpath "$(dirname "$0")")
. "$here/container.sh"
. "$here/lab.sh"
. "$here/swaps.sh"

CALL_ENDED=1eaf5cc230794057aceb56e9ca006856
CALLER=15550100001

# What is measured, and is told once more at the end.
figures=''
figure() { printf -v figures '%s  %-66s %s\n' "$figures" "$1" "$2"; echo "$1: $2"; }
now() { date +%s%3N; }
since() { echo $(($(now) - $1)) ms; }

# Where it failed, what telephones and daemons said last.
last_words() { # EXIT STATUS
  [[ $1 != 0 && $1 != 77 && -n $leader ]] || return 0
  tail -n 20 "$work"/*.txt || true
  journal -u voiced -u voiced-handover -n 60 -o short-precise || true
}
trap 'last_words $?; down' EXIT

install() { apt install "${@:2}" "./$1.deb"; } # NAME [OPTION...]
runs_anew() { [[ $(pid voiced) != "$1" && $(pid voiced) != 0 ]] && is_now voiced active; }
journal() { inside journalctl --sync; inside journalctl --quiet --no-pager "$@"; }

# A call in the background; the agent speaks when this returns.
on_the_line() { # NAME COMMAND...
  "${@:2}" & calls[$1]=$!
  within 15 "the call $1" grep -qs 'agent   (speaks)' "$work/$1.txt"
}
begin() { on_the_line "$1" phone "$@"; } # NAME WAV [OPTION...]
declare -A calls
# The call has gone to its very end, and the telephone found nothing odd. (Gaps: a busy machine has some.)
whole() { # NAME [ENDED]
  wait "${calls[$1]}" || { cat "$work/$1.txt"; fail "the call $1 was not taken"; }
  is "$(told "$1" 'call["ended"], call["warnings"]')" "('${2:-the caller hung up}', [])" "the call $1"
  tail -n 1 "$work/$1.txt"
}
sid() { told "$1" 'call["call_sid"]'; }                                      # NAME, when it is over
sid_of() { grep -o 'CA[0-9a-f]\{32\}' "$work/$1.txt" | head -n 1; }          # NAME, as soon as it begins
record() { inside voiced show "$1" --json | python3 -I -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; } # SID FIELD

installs() {
  local began; began=$(now)
  install new
  figure "apt install, the package at hand" "$(since "$began")"
  figure "the package" "$(stat -c %s "$debs/new.deb") bytes, installed $(inside dpkg-query -W -f '${Installed-Size}' voiced) KiB"
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
  figure "systemd-analyze security" "$exposure"
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
  local sid; sid=$(sid first)
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
print(f"journal: LATENCY_MS={last['LATENCY_MS']} STAGE={last['STAGE']}")
PY
  figure "the journal of a call of one turn" "$(wc -l <"$work/journal.json") records, $(
    journal CALL_SID="$sid" -o short | wc -c) bytes as text, $(journal CALL_SID="$sid" -o export | wc -c) with all fields"
  journal -x CALL_SID="$sid" MESSAGE_ID=$CALL_ENDED | grep "Subject: Call $sid has ended" >/dev/null ||
    fail "journalctl -x does not explain"
  understood_by_prometheus
}

# promtool is the host's, if there is one: `make test-deb` sees to it.
understood_by_prometheus() {
  local tool; tool=$(promtool) || return 0
  inside curl -s http://127.0.0.1:$port/metrics >"$work/metrics"
  grep -q '^voiced_calls_ended_total{reason="hangup"} 1' "$work/metrics" || fail "the call is not among the metrics"
  "$tool" check metrics <"$work/metrics" || fail "promtool finds fault with the metrics"
}

# With the lab's engines, which are asked before it says READY; the telephone is silent.
is_small() {
  inside systemctl restart voiced
  local began ready main
  began=$(inside systemctl show -P ExecMainStartTimestampMonotonic voiced)
  ready=$(inside systemctl show -P ActiveEnterTimestampMonotonic voiced)
  figure "start to READY" "$(((ready - began) / 1000)) ms"
  main=$(pid voiced)
  figure "memory of an idle daemon" "$(inside awk '/^VmRSS/ { printf "VmRSS %.0f MiB", $2 / 1024 }' "/proc/$main/status"), $(
    inside awk '/^Pss:/ { printf "PSS %.0f MiB", $2 / 1024 }' "/proc/$main/smaps_rollup"), MemoryCurrent $(
    inside systemctl show -P MemoryCurrent voiced)"
}

reloads() {
  local before; before=$(pid voiced)
  inside sed -i 's/^greeting = .*/greeting = "Good evening."/' /etc/voiced/voiced.toml
  local began; began=$(now)
  inside systemctl reload voiced
  figure "systemctl reload" "$(since "$began")"
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

# Who comes meanwhile is turned away, by few starts; and when it is mended, it is.
outlives_a_wrong_configuration() {
  local before after began
  before=$(refusals)
  echo 'port = nonsense [' >>"$root/etc/voiced/voiced.toml"
  ! inside systemctl restart voiced 2>/dev/null || fail "it starts with a wrong configuration"
  inside bash -c "for i in {1..200}; do curl -s -m 10 -o /dev/null -w '%{http_code}\n' http://127.0.0.1:$port/healthz & done; wait" \
    >"$work/refused"
  is "$(sort -u "$work/refused")" 503 "what is answered with a wrong configuration"
  within 10 "the end of the last start" is_now voiced failed
  after=$(refusals)
  figure "a wrong configuration: starts for 200 requests at once" "$((after - before - 1))"
  ((after - before <= 20)) || fail "it is started again and again"
  is "$(state voiced.socket)" active "voiced.socket"
  inside sed -i '/nonsense/d' /etc/voiced/voiced.toml
  began=$(now)
  inside systemctl restart voiced
  figure "systemctl restart when it is mended" "$(since "$began")"
  is "$(inside curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:$port/healthz)" 200 healthz
}
refusals() { journal -u voiced -o cat | grep -c 'status=78' || true; }

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
  local before began; before=$(pid voiced) began=$(now)
  inside kill -USR1 "$before"
  within 15 "back after a wedge" runs_anew "$before"
  figure "back after a wedge, with WatchdogSec=3" "$(since "$began")"
  journal -u voiced -o cat -n 30 | grep 'Watchdog timeout' || fail "it was not the watchdog"
  inside rm -r /etc/systemd/system/voiced.service.d /usr/local/lib/wedged
  inside systemctl daemon-reload
  inside systemctl restart voiced
}

# kill -9 in mid-call: the daemon is back, and so is the caller.
outlives_a_kill() {
  local before began sid
  begin killed long "${switched[@]}"
  # Not in the midst of the first webhooks: those who ask are cut off, which is no fault of the daemon's.
  within 10 "the caller's words" grep -q 'caller  long' "$work/killed.txt"
  before=$(pid voiced) began=$(now)
  inside kill -9 "$before"
  within 15 "back after a kill" runs_anew "$before"
  figure "back after kill -9" "$(since "$began")"
  within 20 "the caller fetched back" status '^1 call,'
  sid=$(sid_of killed)
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
  is "$(record "$1" reason)" crash "why the orphan ended, on record"
  is "$(record "$(sid first)" reason)" hangup "the first call's record"
  inside python3 -I -c 'import sqlite3
print("voiced.db:", *sqlite3.connect("/var/lib/voiced/voiced.db").execute("pragma integrity_check").fetchone())' |
    grep 'voiced.db: ok' || fail "the database is damaged"
}

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
cp "$debs"/*.deb "$root/root/"
step installs
step is_sandboxed
step has_secrets
step serves_a_call
step is_small
step reloads
step outlives_a_wrong_configuration
step outlives_a_wedge
step outlives_a_kill
step drains
if [[ -e $debs/old.deb ]]; then
  step upgrades
  step brings_a_new_schema
  step outlives_a_downgrade
  step outlives_a_broken_upgrade
fi
step goes
say "all is well on $suite after $SECONDS s"
printf '%s' "$figures"
