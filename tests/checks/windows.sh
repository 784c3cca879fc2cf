#!/usr/bin/env bash
# Spate for Windows, cross-compiled by MinGW's g++: all public headers of the core, two programs, and the unit tests that
# need no system of their own. What is built runs under wine where that is installed: a server answers curl, and the
# tests are counted.
#
#   windows.sh [BUILD]
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
cd "$project"
# shellcheck source=../support/needs.sh
source tests/support/needs.sh
build=${1:-build/windows}
# ld.lld links in a second what takes GNU ld many minutes: so many sections hold one inline function each.
needs x86_64-w64-mingw32-g++-posix=g++-mingw-w64-x86-64-posix ld.lld-16=lld-16 /usr/lib/wine/wine64=wine64 curl=curl \
  libasio-dev node-llhttp catch2
mkdir -p "$build/include" "$build/objects"
build=$(cd "$build" && pwd)

# Debian's headers of Asio and Catch2 are for any system; those beside them are Linux's.
for library in asio asio.hpp catch2; do ln -sfn "/usr/include/$library" "$build/include/$library"; done
flags=(
  -std=c++20 -Wall -Wextra -Werror -Wno-error=maybe-uninitialized -Wa,-mbig-obj
  -D_WIN32_WINNT=0x0A00 -DASIO_STANDALONE -DLLHTTP_STRICT_MODE=1 -DSPATE_SEPARATE_COMPILATION
  -Iinclude -Itests "-isystem$build/include" -isystem/usr/share/include/llhttp
)
cache=()
if command -v ccache >/dev/null; then cache=(ccache); fi
compile() { "${cache[@]}" x86_64-w64-mingw32-g++-posix "${flags[@]}" -c "$1" -o "$build/objects/$2.o" "${@:3}"; }

# link PROGRAM OBJECT...
link() {
  local own libraries=/usr/x86_64-w64-mingw32/lib program=$build/$1
  own=$(dirname "$(x86_64-w64-mingw32-g++-posix -print-libgcc-file-name)")
  shift
  ld.lld-16 -m i386pep -Bstatic -o "$program" "$libraries/crt2.o" "$own/crtbegin.o" "-L$own" "-L$libraries" "${@/%/.o}" \
    -lws2_32 -lmswsock -lstdc++ -lmingw32 -lgcc -lgcc_eh -lmoldname -lmingwex -lmsvcrt -lpthread -lkernel32 -ladvapi32 \
    -lshell32 -luser32 -lmingw32 -lgcc -lgcc_eh -lmingwex -lmsvcrt -lkernel32 "$own/crtend.o"
}

echo "headers"
(cd include && find spate -name '*.hpp' ! -path '*/detail/*' ! -name '*src.hpp' |
  grep -vE 'cluster/redis|spate/(tls|http2|jwt|zlib|testing)/|history/sqlite' | LC_ALL=C sort | sed 's/.*/#include <&>/') >"$build/all.cpp"
echo "$(wc -l <"$build/all.cpp") public headers"
x86_64-w64-mingw32-g++-posix "${flags[@]}" -fsyntax-only "$build/all.cpp"
for source in api http llhttp; do
  x86_64-w64-mingw32-gcc-posix -O2 -DLLHTTP_STRICT_MODE=1 -I/usr/share/include/llhttp -c "/usr/share/llhttp/$source.c" \
    -o "$build/objects/llhttp_$source.o"
done
echo '#include <spate/src.hpp>' >"$build/functions.cpp"
compile "$build/functions.cpp" functions
library=("$build"/objects/{functions,llhttp_api,llhttp_http,llhttp_llhttp})

echo "programs"
for program in hello; do
  compile "examples/$program/$program.cpp" "$program"
  link "$program.exe" "$build/objects/$program" "${library[@]}"
done

# The unit tests whose support is of no one system.
echo "unit tests"
compile tests/support/catch_main.cpp catch_main
tests=() left=()
for source in tests/unit/*.cpp; do
  name=$(basename "$source" .cpp)
  if grep -qE 'include <(sys/|unistd|netinet|arpa|poll|openssl|nghttp2|sqlite3|jwt|hiredis|zlib|spate/(tls|http2|jwt|zlib)/|spate/cluster/redis|spate/history/sqlite)' "$source" ||
    ! compile "$source" "test_$name" 2>"$build/$name.log"; then
    left+=("$name")
  else
    tests+=("$build/objects/test_$name")
  fi
done
link unit_tests.exe "$build/objects/catch_main" "${tests[@]}" "${library[@]}"
echo "built ${#tests[@]} sources of unit tests; not for Windows: ${left[*]}"

wine=/usr/lib/wine/wine64
if [ ! -x "$wine" ]; then
  echo "no wine here: nothing was run"
  exit
fi
export WINEPREFIX=$build/wine WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=;winemenubuilder.exe=d"
timeout 120 "$wine" wineboot --init </dev/null >/dev/null 2>&1 || true
trap 'kill ${server:-} 2>/dev/null || true; timeout 20 /usr/lib/wine/wineserver64 -k 2>/dev/null || true' EXIT

echo "the server"
timeout 60 "$wine" "$build/hello.exe" --port 0 >"$build/hello.out" 2>"$build/hello.err" </dev/null &
server=$!
for _ in $(seq 100); do
  grep -q '^listening on ' "$build/hello.out" && break
  sleep 0.1
done
url=$(tr -d '\r' <"$build/hello.out" | sed -n '1s/^listening on //p')
curl --silent --no-buffer --max-time 5 "$url/hello" >"$build/hello.events" || true
grep '^data: Hello, world!' "$build/hello.events"
kill "$server" 2>/dev/null || true

echo "the unit tests"
timeout 300 "$wine" "$build/unit_tests.exe" "~[forked]" </dev/null | tr -d '\r' | tail -n 30
