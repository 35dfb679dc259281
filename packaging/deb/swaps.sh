# shellcheck shell=bash
# One version takes the place of another, with calls under way. Sourced by booted.sh.

# Somebody who asks each 25 ms, and what was not answered with 200.
probe() {
  cp "$here/probe.py" "$root/root/"
  inside python3 -I probe.py $port /root/enough >"$work/probe" &
  prober=$!
}
probed() { # WHAT
  inside touch /root/enough
  wait "$prober"
  inside rm /root/enough
  local all lost slowest
  all=$(wc -l <"$work/probe") lost=$(grep -vc '^200 ' "$work/probe" || true)
  slowest=$(awk '{ print $3 }' "$work/probe" | sort -n | tail -n 1)
  figure "$1: requests, unanswered, the slowest" "$all, $lost, $slowest ms"
  ((all > 100)) || fail "the prober did not run"
  [[ $lost == 0 ]] || { grep -v '^200 ' "$work/probe" | head; fail "$lost requests without an answer"; }
}

swapped() { # OLD PID
  within 60 "the new version as voiced.service" runs_anew "$1"
  within 60 "an end of voiced-handover.service" is_now voiced-handover inactive
}

loudly() { printf '\033[1;33m!!! %s\033[0m\n' "$*" >&2; }

# A call that lasts until `enough`, however long a swap may take; NAME and the carrier's PORT.
calls_for_long() {
  inside env PYTHONPATH=/usr/lib/voiced:/usr/lib/voiced/vendor \
    bash -c 'echo $$ >"$1.pid"; exec python3 -s caller.py "$@"' - "$1" "$2" $account $token "http://127.0.0.1:$port" >"$work/$1.txt" 2>&1
}
enough() { # NAME ENDED
  inside kill -USR1 "$(<"$root/root/$1.pid")"
  whole "$1" "$2"
}
# The same of the last call of an older daemon's, which may leave a callback in the queue at its door.
enough_for_older_code() { # NAME ENDED
  inside kill -USR1 "$(<"$root/root/$1.pid")"
  wait "${calls[$1]}" || { cat "$work/$1.txt"; fail "the call $1"; }
  is "$(told "$1" 'call["ended"]')" "$2" "the call $1"
}

# An operator has the call put through; it rings when this returns.
put_through() { # NAME
  inside voiced transfer "$(sid_of "$1")" +33100000002
  within 15 "the transfer of $1" grep -q '(dials' "$work/$1.txt"
}

# From code of another day, which begins with records of its own: those of a later schema it would let
# alone. The call that goes on writes to them while the new version brings them to its schema.
upgrades() {
  local before began
  inside systemctl stop voiced.socket voiced
  inside bash -c 'rm /var/lib/voiced/voiced.db*'
  install old --allow-downgrades
  inside systemctl start voiced
  within 20 "older code that takes calls" status 'no calls, .* STT slots free'
  before=$(pid voiced)
  on_the_line transferred calls_for_long transferred $api
  put_through transferred
  on_the_line across calls_for_long across 0
  probe
  began=$(now)
  install new
  figure "an upgrade with calls: apt install" "$(since "$began")"
  begin meanwhile brief
  is "$(pid voiced)" "$before" "who still serves the call of before"
  enough_for_older_code across 'ended through the API'
  whole meanwhile
  journal CALL_SID="$(sid meanwhile)" _SYSTEMD_UNIT=voiced-handover.service -o cat |
    grep '^call ended.* reason=hangup' >/dev/null || fail "the stand-in did not take the new call"
  swapped "$before"
  probed "an upgrade with calls"
  is "$(record "$(sid across)" reason)" hangup "the end of a call that went on with the old version, on record"
  # It began with a daemon that is gone now.
  enough transferred 'the transfer was its end'
  is "$(record "$(sid transferred)" reason)" transferred "the end of a transfer from before a swap, on record"
}

schema() {
  inside runuser -u voiced -- python3 -I -c 'import sqlite3
print(*sqlite3.connect("/var/lib/voiced/voiced.db").execute("pragma user_version").fetchone())'
}

# The one that ends its calls writes to a database that the other has changed meanwhile.
brings_a_new_schema() {
  local before known; before=$(pid voiced) known=$(schema)
  on_the_line written calls_for_long written 0
  begin unanswered patient "${switched[@]}" --human no-answer
  put_through unanswered
  probe
  install later
  is "$(schema)" $((known + 1)) "the schema, while the old version still writes"
  is "$(pid voiced)" "$before" "who still serves the call of before"
  enough written 'ended through the API'
  swapped "$before"
  is "$(record "$(sid written)" reason)" hangup "the record of a call whose daemon knew the old schema"
  is_fetched_back
  probed "an upgrade that brings a new schema"
}

# Nobody took it: the caller is with the agent again, now the other version's. They wait for 20 s only.
is_fetched_back() {
  local tested=yes
  ! grep -q '(transfer ended' "$work/unanswered.txt" || tested=
  wait "${calls[unanswered]}" || true
  tail -n 3 "$work/unanswered.txt"
  [[ -n $tested ]] || { loudly "NOT TESTED: a transfer that nobody takes, after a swap: it took too long"; return 0; }
  is "$(grep -c '(connected)' "$work/unanswered.txt")" 2 "media streams of a call that nobody took, back after a swap"
  is "$(record "$(sid unanswered)" reason)" hangup "the end of a call that nobody took, on record after a swap"
}

# Records of a later version are left as they are, and callers notice nothing.
outlives_a_downgrade() {
  local before began sum; before=$(pid voiced) began=$(now)
  install new --allow-downgrades
  swapped "$before"
  figure "a swap without calls: apt's start to the other voiced.service" "$(since "$began")"
  sum=$(inside sha256sum /var/lib/voiced/voiced.db)
  begin unrecorded brief
  whole unrecorded
  journal _PID="$(pid voiced)" -o cat | grep 'calls are answered, and nothing is recorded' || fail "it does not say that nothing is recorded"
  is "$(inside sha256sum /var/lib/voiced/voiced.db)" "$sum" "the records of the later version"
}

# The old one goes on; and the next good version takes over from it, here with the records it left.
outlives_a_broken_upgrade() {
  local before; before=$(pid voiced)
  probe
  begin broken short
  install broken
  grep 'voiced: the new version' "$work/apt.log" || fail "apt said nothing"
  is "$(pid voiced)" "$before" "the process that serves"
  whole broken
  probed "a broken upgrade"
  install later
  swapped "$before"
  is "$(record "$(sid across)" reason)" hangup "the record of a call of before, under the version that wrote the schema"
}
