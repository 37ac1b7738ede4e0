# Sourced by the scripts beside it: where the project is, its own tools first on PATH, and how to
# say what happens.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="$top/.tools/bin:$top/node_modules/.bin:$PATH"

say() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

# fail WHAT ADVICE: what went wrong, then what to do about it.
fail() {
  say "$1"
  say "  $2"
  exit 1
}

# step WHAT ADVICE COMMAND...: says WHAT and runs COMMAND; its output is shown only if it fails.
step() {
  local what=$1 advice=$2 output
  shift 2
  say "$what"
  output=$("$@" 2>&1 9>&-) && return
  printf '%s\n' "$output" >&2
  fail "failed: $what" "$advice"
}

# Installs without starting what Debian would start: the tests run a registry of their own.
apt_install() {
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q && apt-get install -qy --no-install-recommends "$@" || return
  case " $* " in
    *' docker-registry '*) ! command -v systemctl >/dev/null || systemctl -q disable docker-registry ;;
  esac
}
