# shellcheck shell=bash
# The lab's engines in the booted system, a daemon that is configured for them, and telephones.
# Sourced after container.sh; `inside` must work, and the package be installed.
port=8765 api=8300 account=AC00000000000000000000000000000001 token=0123456789abcdef0123456789abcdef
# phone's, for a call that the carrier can be asked about, and that can be put through.
switched=(--api-port $api --api-account $account --to +33100000001)

lab() { # starts the engines, and restarts the daemon with them as its own
  cp "$here"/{tones,caller}.py "$root/root/"
  inside python3 -I tones.py 1 brief.wav
  inside python3 -I tones.py 2 short.wav
  inside python3 -I tones.py 9 patient.wav
  inside python3 -I tones.py 12 long.wav
  inside python3 -I tones.py 75 endless.wav
  inside systemd-run --quiet --unit=lab voiced lab --ear words --voice tone --sentence 'I should like a table for two'
  within 20 "the lab's ports" inside curl -s -o /dev/null http://127.0.0.1:8111/
  inside journalctl --sync
  {
    printf '[twilio]\naccount_sid = "%s"\nphone_number = "+33100000001"\napi_url = "http://127.0.0.1:%s"\n\n' $account $api
    # The engines' sections alone: an older voiced does not know tools.
    inside journalctl -u lab --no-pager -o cat | sed -n '/^\[stt\.lab\]/,/^ready\|agent\./p' | sed '/agent\./d; /^[^[]*$/{/=/!{/./d}}'
    cat <<'TOML'
[agent.default]
language = "en"
prompt = "You answer the telephone of a restaurant."
greeting = "Hello, this is the restaurant."
goodbye = "Goodbye."
stt = ["lab"]
llm = ["lab"]
tts = ["lab"]
TOML
  } >"$root/etc/voiced/voiced.toml"
  inside sed -i "s/^#twilio.auth_token =.*/twilio.auth_token = \"$token\"/" /etc/voiced/secrets.toml
  inside systemctl restart voiced
  within 20 "a daemon that takes calls" status 'no calls, .* STT slots free'
}

status() { inside systemctl show -P StatusText voiced | grep -q "$1"; }

# phone NAME WAV [OPTION...]: calls; leaves /root/NAME/call.json, /root/NAME.pid and NAME.txt
phone() {
  inside bash -c 'echo $$ >"$0.pid"; exec voiced phone "$@"' "$1" --wav "$2.wav" --auth-token $token --folder "$1" "${@:3}" >"$work/$1.txt" 2>&1
}

# told NAME EXPRESSION: of the call's record, `call`, and `how`, the name of its end
told() {
  inside python3 -I -c 'import json, sys
call = json.load(open(sys.argv[1] + "/call.json")); print(eval(sys.argv[2]))' "$1" "$2"
}
