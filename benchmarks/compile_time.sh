#!/usr/bin/env bash
# What including Spate costs a compiler: a program with <spate/spate.hpp> against one with just the Asio and llhttp
# headers that Spate includes itself, for both forms: headers alone, and compiled once (SPATE_SEPARATE_COMPILATION), where
# it needs fewer of them. Processor seconds, medians of interleaved runs.
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

# FORM.flags, FORM.asio.cpp and FORM.spate.cpp of each form. The former has every header of Asio and llhttp that
# spate.hpp reaches in it, directly or through Spate's own headers.
forms='headers compiled'
for form in $forms; do
  cp "$work/flags" "$work/$form.flags"
  [ $form = headers ] || echo -DSPATE_SEPARATE_COMPILATION >> "$work/$form.flags"
  # shellcheck disable=SC2046
  g++ -std=c++20 -M $(cat "$work/$form.flags") -x c++ - <<< '#include <spate/spate.hpp>' | tr ' \\' '\n\n' |
    grep "^$root/include/spate/" | xargs grep -ho '#include <\(asio/.*\|llhttp\.h\)>' | sort -u > "$work/$form.asio.cpp"
  [ -s "$work/$form.asio.cpp" ] || { echo "compile_time.sh: spate.hpp could not be read" >&2; exit 1; }
  echo '#include <spate/spate.hpp>' > "$work/$form.spate.cpp"
  for source in asio spate; do echo 'int main() {}' >> "$work/$form.$source.cpp"; done
done

processor_seconds() { # COMPILER FORM SOURCE
  local TIMEFORMAT='%U %S' more=
  # Asio 1.22 knows the coroutines of Clang only from the time before they were standard.
  case $1 in *clang*) more=-DASIO_HAS_CO_AWAIT=1 ;; esac
  # shellcheck disable=SC2046,SC2086
  { time "$1" -std=c++20 -O2 $(cat "$work/$2.flags") $more -c "$work/$2.$3.cpp" -o "$work/out.o" 2> "$work/errors"; } \
    2> "$work/time" || { head -5 "$work/errors" >&2; exit 1; }
  awk '{print $1 + $2}' "$work/time"
}
middle() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }

echo "headers of Asio and llhttp that spate.hpp includes against spate.hpp, processor seconds, medians of $rounds:"
for compiler in "$@"; do
  command -v "$compiler" >/dev/null || continue
  rm -f "$work"/*.times
  for _ in $(seq "$rounds"); do
    for form in $forms; do
      for source in asio spate; do
        processor_seconds "$compiler" $form $source >> "$work/$form.$source.times" || exit 1
      done
    done
  done
  for form in $forms; do
    asio=$(middle < "$work/$form.asio.times") spate=$(middle < "$work/$form.spate.times")
    echo "  $compiler, $form ($(grep -c include "$work/$form.asio.cpp") of Asio and llhttp):" \
      "$asio, $spate, ratio $(awk "BEGIN {printf \"%.2f\", $spate / $asio}")"
  done
done
