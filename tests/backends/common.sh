# What the scripts beside it share: versions, places, words.

JAEGER_V2=2.13 # the same commit as the last v1, which is how its module is numbered
JAEGER_V1=1.76
JAEGER_OLD=1.42
ZIPKIN=3.5.1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
crate=$(cd "$here/../.." && pwd)
home=${CARGO_TARGET_DIR:-$crate/target}/backends
bin=$home/bin
run=$home/run
addresses=$run/addresses.json

say() { printf 'backends: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Answers to curl: nothing on standard output unless the status is a good one.
get() { curl --silent --fail --max-time 60 "$@"; }

# wait_for SECONDS COMMAND...: until it succeeds. 1 if it never did.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
