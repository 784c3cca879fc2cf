#!/usr/bin/env bash
# Spate for Windows, cross-compiled by MinGW's g++: the public headers of what can be had there, a program, the unit tests
# and those over real sockets. What is built runs under wine where that is installed: a server answers curl, and the
# tests of each source are counted. Fails when something does not compile, a test fails, or one does not end in time.
#
#   windows.sh [--jobs N] [--all] [BUILD]
#
# Of the tests over real sockets those run that hold under wine 8; --all runs every one, to see what became of them. There
# a socket of Asio does not leave its completion port, so that none can be adopted; who leaves looks like a connection that
# broke; and what is told soon elsewhere takes its time.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
cd "$project"
# shellcheck source=../support/needs.sh
source tests/support/needs.sh
jobs=$(nproc) build=build/windows
hold_under_wine=(registry_lifetime server_misuse server_move_only)
while [ $# -gt 0 ]; do
  case $1 in
    --jobs) jobs=${2:?}; shift ;;
    --all) hold_under_wine=() ;;
    *) build=$1 ;;
  esac
  shift
done
# ld.lld links in a second what takes GNU ld many minutes: so many sections hold one inline function each.
needs x86_64-w64-mingw32-g++-posix=g++-mingw-w64-x86-64-posix ld.lld-16=lld-16 /usr/lib/wine/wine64=wine64 curl=curl \
  ninja=ninja-build libasio-dev node-llhttp catch2 nlohmann-json3-dev libz-mingw-w64-dev
mkdir -p "$build"/{include,own,unit,loopback}
build=$(cd "$build" && pwd)

# Debian's headers of these libraries are for any system; those beside them are Linux's.
for library in asio asio.hpp catch2 nlohmann; do ln -sfn "/usr/include/$library" "$build/include/$library"; done
flags=(
  -std=c++20 -Wall -Wextra -Werror -Wno-error=maybe-uninitialized -Wa,-mbig-obj
  -D_WIN32_WINNT=0x0A00 -DASIO_STANDALONE -DLLHTTP_STRICT_MODE=1 -DSPATE_SEPARATE_COMPILATION -DSPATE_TESTS_HAVE_ZLIB
  -Iinclude -Itests "-isystem$build/include" -isystem/usr/share/include/llhttp
)
cxx=x86_64-w64-mingw32-g++-posix

# own FILE: makes a source of this build from the standard input, and leaves it alone if it is the same already.
own() {
  cat >"$build/own/new"
  cmp -s "$build/own/new" "$build/own/$1" || mv "$build/own/new" "$build/own/$1"
}
include_all() { sed 's/.*/#include <&>/'; }
(cd include && find spate -name '*.hpp' ! -path '*/detail/*' ! -name '*src.hpp') |
  grep -vE 'cluster/redis|spate/(tls|http2|jwt)/|history/sqlite|testing/catch' | LC_ALL=C sort | include_all | own headers.cpp
echo '#include "support/pch.hpp"' | own tests.hpp

# missing_of SOURCE: headers that it includes and MinGW has not got, those of libraries and of functions of the system.
export LC_ALL=C
$cxx "${flags[@]}" -E -v -x c++ /dev/null 2>&1 >/dev/null | sed -n '/^#include </,/^End/s/^ //p' |
  xargs -I{} find -L {}/ -type f -printf '%P\n' | sort -u >"$build/own/system"
missing_of() {
  $cxx -std=c++20 -nostdinc -nostdinc++ -Iinclude -Itests -DSPATE_SEPARATE_COMPILATION -x c++ -M -MG "$1" |
    tr -s ' \\' '\n' | sed -E '1d;/^(include\/|tests\/|$)/d' | sort -u | comm -13 "$build/own/system" - | paste -sd ' '
}
# The optional part that can be had, and of the others what needs no library.
parts=()
for source in include/spate/{cluster,http2}/impl/*.ipp; do
  [ -n "$(missing_of "$source")" ] || parts+=("${source#include/}")
done
printf '%s\n' spate/src.hpp spate/testing/testing_src.hpp spate/zlib/zlib_src.hpp "${parts[@]}" | include_all | own functions.cpp
tests=() left=()
for source in tests/unit/*.cpp tests/loopback/*.cpp; do
  missing=$(missing_of "$source")
  if [ "$source" = tests/loopback/server_signals.cpp ]; then missing="sigaction"; fi
  if [ -z "$missing" ]; then tests+=("$source"); else left+=("$source: $missing"); fi
done

# ---- what is built ----

cache=""
if command -v ccache >/dev/null; then cache="ccache "; fi
{
  libraries=/usr/x86_64-w64-mingw32/lib
  gcc=$(dirname "$($cxx -print-libgcc-file-name)")
  cat <<EOF
builddir = $build
cache = $cache
flags = ${flags[*]}
rule cxx
  command = \${cache}$cxx \$flags \$more -MD -MF \$out.d -c \$in -o \$out
  depfile = \$out.d
  deps = gcc
  description = \$in
rule check
  command = $cxx \$flags -fsyntax-only -MD -MF \$out.d -MT \$out \$in && touch \$out
  depfile = \$out.d
  deps = gcc
  description = \$in
rule c
  command = \${cache}x86_64-w64-mingw32-gcc-posix -O2 -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp -c \$in -o \$out
  description = \$in
rule link
  command = ld.lld-16 -m i386pep -Bstatic -o \$out $libraries/crt2.o $gcc/crtbegin.o -L$gcc -L$libraries \$in -lz $
    -lws2_32 -lmswsock -lstdc++ -lmingw32 -lgcc -lgcc_eh -lmoldname -lmingwex -lmsvcrt -lpthread -lkernel32 -ladvapi32 $
    -lshell32 -luser32 -lmingw32 -lgcc -lgcc_eh -lmingwex -lmsvcrt -lkernel32 $gcc/crtend.o
  description = \$out
EOF
  edge() { echo "build $build/$1: $2 ${*:3}"; }
  edge headers.checked check "$build/own/headers.cpp"
  library=()
  for source in api http llhttp; do
    edge "llhttp_$source.o" c "/usr/share/llhttp/$source.c"
    library+=("$build/llhttp_$source.o")
  done
  edge functions.o cxx "$build/own/functions.cpp"
  library+=("$build/functions.o")
  edge hello.o cxx examples/hello/hello.cpp
  edge hello.exe link "$build/hello.o" "${library[@]}"
  edge own/tests.hpp.gch cxx "$build/own/tests.hpp"
  echo "  more = -x c++-header"
  edge catch_main.o cxx tests/support/catch_main.cpp
  for folder in unit loopback; do
    objects=("$build/catch_main.o")
    for source in "${tests[@]}"; do
      [[ $source == tests/$folder/* ]] || continue
      object=$folder/$(basename "$source" .cpp).o
      edge "$object" cxx "$source" "|" "$build/own/tests.hpp.gch"
      echo "  more = -fpch-preprocess -Winvalid-pch -include $build/own/tests.hpp"
      objects+=("$build/$object")
    done
    edge "$folder/tests.exe" link "${objects[@]}" "${library[@]}"
  done
} >"$build/build.ninja"
ninja -f "$build/build.ninja" -j "$jobs" -k 0 "$build"/{headers.checked,hello.exe,unit/tests.exe,loopback/tests.exe}
echo "$(wc -l <"$build/own/headers.cpp") public headers and ${#tests[@]} sources of tests compile for Windows; not of it are"
printf '  %s\n' "${left[@]}"

# ---- what runs ----

wine=/usr/lib/wine/wine64
if [ ! -x "$wine" ]; then
  echo "no wine here: nothing was run"
  exit
fi
export WINEPREFIX=$build/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=;winemenubuilder.exe,winedbg.exe=d"
run() { timeout --kill-after 5 "$1" "$wine" "${@:2}" </dev/null; }
run 120 wineboot --init >/dev/null 2>&1 || true
trap 'kill ${server:-} 2>/dev/null || true; timeout 20 /usr/lib/wine/wineserver64 -k 2>/dev/null || true' EXIT

run 60 "$build/hello.exe" --port 0 >"$build/hello.out" 2>"$build/hello.err" &
server=$!
for _ in $(seq 200); do
  grep -q '^listening on ' "$build/hello.out" && break
  sleep 0.1
done
url=$(tr -d '\r' <"$build/hello.out" | sed -n '1s/^listening on //p')
curl --silent --no-buffer --max-time 5 "$url/hello" >"$build/hello.events" || true
grep '^data: Hello, world!' "$build/hello.events"
kill "$server" 2>/dev/null || true

sources=0 cases=0 assertions=0 late=0 failed=() only_built=()
for source in "${tests[@]}"; do
  name=${source#tests/}
  name=${name%.cpp}
  if [[ $name == loopback/* && ${#hold_under_wine[@]} -gt 0 && " ${hold_under_wine[*]} " != *" ${name#*/} "* ]]; then
    only_built+=("${name#*/}")
    continue
  fi
  log=$build/$name.log code=0
  run 180 "$build/${name%/*}/tests.exe" --filenames-as-tags "[#${name#*/}]" --warn NoTests 2>&1 | tr -d '\r' >"$log" || code=$?
  if [ $code -eq 0 ] && [[ $(tail -n 2 "$log") =~ \(([0-9]+)\ assertions?\ in\ ([0-9]+)\ test\ cases?\) ]]; then
    sources=$((sources + 1)) assertions=$((assertions + BASH_REMATCH[1])) cases=$((cases + BASH_REMATCH[2]))
  else
    failed+=("$source")
    echo "== $source"
    tail -n 40 "$log"
    if [ $code -eq 124 ] || [ $code -eq 137 ]; then
      echo "it did not end in time"
      late=$((late + 1))
      [ $late -lt 3 ] || { echo "wine hangs: no more is run"; break; }
    fi
  fi
done
[ ${#only_built[@]} -eq 0 ] || echo "only built of tests/loopback: ${only_built[*]}"
echo "under wine $cases test cases of $sources sources passed, with $assertions assertions; ${#failed[@]} sources failed: ${failed[*]:-none}"
[ ${#failed[@]} -eq 0 ]
