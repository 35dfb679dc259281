# Completion of voiced for bash. Made by tests/packaging/manual_pages.py.

_voiced() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=
  ((COMP_CWORD > 1)) || command=
  case $command in
    '') words='run config check speak hear route dial calls show tail interrupt hangup say transfer demo lab phone --help --version' ;;
    run) words='--log-format --config --help' ;;
    config) words='--config --help' ;;
    check) words='--json --config --help' ;;
    speak) words='--tts --agent --output --config --help' ;;
    hear) words='--stt --config --help' ;;
    route) words='--agent --config --help' ;;
    dial) words='--agent --var --wait --url --token --config --help' ;;
    calls) words='--all --json --url --token --config --help' ;;
    show) words='--json --url --token --config --help' ;;
    tail) words='--url --token --config --help' ;;
    interrupt) words='--url --token --config --help' ;;
    hangup) words='--url --token --config --help' ;;
    say) words='--url --token --config --help' ;;
    transfer) words='--warm --url --token --config --help' ;;
    demo) words='--folder --stt --llm --tts --help' ;;
    lab) words='--stt-port --tts-port --llm-port --stt-slots --tts-slots --stt-delay-steps --first-audio-ms --speed --first-token-ms --tokens-per-s --bookings-port --voice --ear --sentence --llm-log --help' ;;
    phone) words='--say --wav --script --public-url --auth-token --folder --api-port --api-account --calls --from --to --answer --human --verdict --help' ;;
  esac
  case $command:${COMP_WORDS[COMP_CWORD - 1]} in
    run:--log-format) words='text json' ;;
    demo:--stt) words='moshi deepgram flux' ;;
    demo:--llm) words='openai anthropic' ;;
    demo:--tts) words='moshi cartesia' ;;
    lab:--voice) words='espeak tone' ;;
    lab:--ear) words='sphinx words' ;;
    phone:--human) words='answered busy no-answer failed' ;;
    phone:--verdict) words='human busy no-answer failed machine' ;;
    run:--config|\
    config:--config|\
    check:--config|\
    speak:-o|speak:--output|\
    speak:--config|\
    hear:--config|\
    hear:hear|\
    route:--config|\
    dial:--config|\
    calls:--config|\
    show:--config|\
    tail:--config|\
    interrupt:--config|\
    hangup:--config|\
    say:--config|\
    transfer:--config|\
    demo:--folder|\
    lab:--llm-log|\
    phone:--wav|\
    phone:--script|\
    phone:--folder)
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _voiced voiced
