#!/usr/bin/env bash
# Runs the program and its peers side by side and says which ratios are reached: docs/performance.md.
#
#     benches/compare.sh [--quick] [--large] [--only ROW,ROW] [--no-install]
#
# Builds what is measured, installs the peers that are missing (packages only as root, on Debian; Python's into
# target/bench/venv) unless told not to, then leaves the rest to benches/peers/measure.py.
# Ends with 0 if all is reached, 1 if not, 2 if something went wrong.
set -euo pipefail
trap 'exit 2' ERR
cd "$(dirname "${BASH_SOURCE[0]}")/.."

data=target/bench
if ! command -v python3 > /dev/null; then
    echo "compare.sh: the harness needs python3" >&2
    exit 2
fi
install=true
for argument in "$@"; do
    case $argument in
        --no-install) install=false ;;
        -h | --help) exec python3 -B benches/peers/measure.py --help ;;
    esac
done
# Wrong arguments are told before anything is built.
python3 -B benches/peers/measure.py "$@"

# Debian's packages of the commands and headers that are missing.
install_packages() {
    local missing=()
    [[ -e /usr/include/simdjson.h ]] || missing+=(libsimdjson-dev)
    command -v g++ > /dev/null || missing+=(g++)
    command -v jq > /dev/null || missing+=(jq)
    command -v node > /dev/null || missing+=(nodejs)
    ((${#missing[@]})) || return 0
    if [[ $EUID -ne 0 ]] || ! command -v apt-get > /dev/null; then
        echo "compare.sh: missing: ${missing[*]}; their rows are left out" >&2
        return 0
    fi
    local package
    apt-get update -qq || true
    for package in "${missing[@]}"; do
        apt-get install -y -qq "$package" > /dev/null || echo "compare.sh: cannot install $package" >&2
    done
}

install_modules() {
    [[ -x $data/venv/bin/python ]] || python3 -m venv "$data/venv" || return 0
    "$data/venv/bin/python" -c 'import polars, duckdb' 2> /dev/null \
        || "$data/venv/bin/pip" install -q polars duckdb \
        || echo "compare.sh: cannot install polars and duckdb" >&2
}

mkdir -p "$data"
if $install; then
    install_packages
    install_modules
fi

# Builds a target and says where cargo put its executable.
built() {
    local name=$1
    shift
    cargo "$@" --message-format=json | sed -n 's/.*"name":"'"$name"'".*"executable":"\([^"]*\)".*/\1/p'
}
throughput=$(built throughput bench --bench throughput --no-run)
# After the benchmark, whose profile keeps symbols and writes to the same place.
program=$(built analyze-traces build --release --bin analyze-traces)

# On-Demand is compiled into the caller: for its vector instructions it has to be told which machine this is.
source=benches/peers/simdjson.cpp
if [[ ! $data/simdjson -nt $source && -e /usr/include/simdjson.h ]] && command -v g++ > /dev/null; then
    g++ -std=c++17 -O3 -march=native -DNDEBUG -o "$data/simdjson" $source -lsimdjson
fi

trap - ERR
# Without site packages it is smaller, and what is smaller than the harness cannot be seen.
exec python3 -S -B benches/peers/measure.py --program "$program" --throughput "$throughput" "$@"
