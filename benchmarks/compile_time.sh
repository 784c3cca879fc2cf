#!/usr/bin/env bash
# What including Spate costs a compiler: a program with <spate/spate.hpp> against one with just the Asio and llhttp
# headers that Spate includes itself. Processor seconds, medians of interleaved runs.
#
#   benchmarks/compile_time.sh [--build DIR] [--rounds N] [COMPILER...]
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here") rounds=5 build=
[ "${1:-}" = --build ] && { build=$2; shift 2; }
[ "${1:-}" = --rounds ] && { rounds=$2; shift 2; }
: "${build:=$root/build-benchmarks}"
[ $# -gt 0 ] || set -- g++ clang++-16
[ -f "$build/benchmarks/compile_flags.txt" ] || { echo "compile_time.sh: configure $build with benchmarks first" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -v -- '^-[ID]$' "$build/benchmarks/compile_flags.txt" > "$work/flags"

# Every header of Asio and llhttp that spate.hpp reaches, directly or through Spate's own headers.
g++ -std=c++20 -M $(cat "$work/flags") -x c++ - <<< '#include <spate/spate.hpp>' | tr ' \\' '\n\n' |
  grep "^$root/include/spate/" | xargs grep -ho '#include <\(asio/.*\|llhttp\.h\)>' | sort -u > "$work/asio.cpp"
[ -s "$work/asio.cpp" ] || { echo "compile_time.sh: spate.hpp could not be read" >&2; exit 1; }
echo '#include <spate/spate.hpp>' > "$work/spate.cpp"
for source in asio spate; do echo 'int main() {}' >> "$work/$source.cpp"; done

processor_seconds() { # COMPILER SOURCE
  local TIMEFORMAT='%U %S' more=
  # Asio 1.22 knows the coroutines of Clang only from the time before they were standard.
  case $1 in *clang*) more=-DASIO_HAS_CO_AWAIT=1 ;; esac
  # shellcheck disable=SC2046,SC2086
  { time "$1" -std=c++20 -O2 $(cat "$work/flags") $more -c "$work/$2.cpp" -o "$work/out.o" 2> "$work/errors"; } \
    2> "$work/time" || { head -5 "$work/errors" >&2; exit 1; }
  awk '{print $1 + $2}' "$work/time"
}
middle() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

echo "$(grep -c include "$work/asio.cpp") headers of Asio and llhttp against spate.hpp, processor seconds, medians of $rounds:"
for compiler in "$@"; do
  command -v "$compiler" >/dev/null || continue
  : > "$work/asio.times"
  : > "$work/spate.times"
  for _ in $(seq "$rounds"); do
    for source in asio spate; do processor_seconds "$compiler" $source >> "$work/$source.times" || exit 1; done
  done
  asio=$(middle < "$work/asio.times") spate=$(middle < "$work/spate.times")
  echo "  $compiler: $asio, $spate, ratio $(awk "BEGIN {printf \"%.2f\", $spate / $asio}")"
done
