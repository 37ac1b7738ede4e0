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
