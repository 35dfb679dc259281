# Completion of voiced for bash. Made by tests/packaging/manual_pages.py.

_voiced() {
  local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words=
  ((COMP_CWORD > 1)) || command=
  case $command in
    '') words='@COMMANDS@ --help --version' ;;
@OPTIONS@
  esac
  case $command:${COMP_WORDS[COMP_CWORD - 1]} in
@VALUES@
      compopt -o filenames
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _voiced voiced
