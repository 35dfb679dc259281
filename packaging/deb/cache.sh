# shellcheck shell=bash
# What the tests of the package fetch once and keep in CACHE. Sourced; it sets `cache`, changes
# nothing in the system, and needs apt.
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/voiced}
debian=http://deb.debian.org/debian

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }

# download FOLDER PACKAGE [OPTION...]: unpacks a package into a folder of the cache, installs nothing.
download() {
  local folder=$cache/$1 part=$cache/$1.part
  rm -rf "$part" && mkdir -p "$part"
  (cd "$part" && apt-get -qq -o APT::Sandbox::User=root "${@:3}" download "$2" &&
    dpkg-deb -x ./*.deb . && rm ./*.deb) >&2 || return 1
  rm -rf "$folder" && mv "$part" "$folder"
}

# Where Ubuntu's keys are. Debian has had them as a package since 13, and 12 trusts those who sign 13:
# so apt is asked with lists of its own, and one chain of signatures leads from this system to Ubuntu.
ubuntu_keys() {
  local at=usr/share/keyrings/ubuntu-archive-keyring.gpg own=$cache/apt
  [[ ! -e /$at ]] || { echo "/$at"; return; }
  if [[ ! -e $cache/keys/$at ]]; then
    say "fetching Ubuntu's keys, from Debian" >&2
    mkdir -p "$own/lists/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $debian trixie main" >"$own/sources"
    local options=(-o Dir::Etc::SourceList="$own/sources" -o Dir::Etc::SourceParts=/dev/null
      -o Dir::State::Lists="$own/lists" -o Dir::Cache="$own" -o Acquire::Languages=none
      -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
    { apt-get -qq -o APT::Sandbox::User=root "${options[@]}" update &&
      download keys ubuntu-keyring "${options[@]}"; } >&2 || return 1
    rm -r "$own"
  fi
  echo "$cache/keys/$at"
}

# Where Prometheus' own checker is: the system's, or the one of its package.
promtool() {
  type -P promtool && return
  local at=$cache/prometheus/usr/bin/promtool
  [[ -x $at ]] || { say "fetching promtool" >&2 && download prometheus prometheus; } || return 1
  echo "$at"
}
