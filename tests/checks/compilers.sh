#!/usr/bin/env bash
# The matrix: Spate with every compiler and with the versions of libraries that it promises to work with. A table at the
# end says of each row what was seen; a row that fails fails the run, and one that could not be had says why.
#
#   compilers.sh [ROW...]      only the rows whose names contain one of these words
#
# Compilers are those that are here or that Debian has, which are installed. Debian has one version of most libraries;
# folders of others are named by the environment, several with a colon between them:
#
#   SPATE_MATRIX_ASIO          each holds asio/io_context.hpp
#   SPATE_MATRIX_LLHTTP        each holds src/llhttp.c and include/llhttp.h
#   SPATE_MATRIX_LLHTTP_ROOT   each is the prefix of an installed llhttp with its CMake package
#   SPATE_MATRIX_CATCH2        each holds catch_amalgamated.hpp and .cpp of version 3
#   SPATE_MATRIX_BOOST         each holds boost/version.hpp; besides what Debian has beyond its own choice
#
# What a row does: with each compiler all public headers, those of the optional parts too, two examples and a program
# without coroutines compile without a warning, included as a program includes its own (and not as a system's); with
# each Asio the public headers of the core and one example, in the same way. Rows of llhttp install Spate by CMake,
# build the first example with that and read an event of it; rows of Catch2 run a unit test; both ask for no warnings.
# Rows of Boost compile the example that serves beside Beast, with -Wall -Wextra as errors.
set -uo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
cd "$project" || exit 2
# shellcheck source=../support/needs.sh
source tests/support/needs.sh
# shellcheck source=../consumer/serve.sh
source tests/consumer/serve.sh

work=$(mktemp -d)
trap 'kill ${server:-} 2>/dev/null || true; rm -rf "$work"' EXIT
wanted=("$@") table=() failures=0

asked_for() {
  local word
  [ ${#wanted[@]} -gt 0 ] || return 0
  for word in "${wanted[@]}"; do [[ $1 == *"$word"* ]] && return 0; done
  return 1
}
# row NAME DETAIL COMMAND...
row() {
  local name=$1 detail=$2 began=$SECONDS result=ok
  shift 2
  asked_for "$name" || return 0
  ("$@") >"$work/log" 2>&1 </dev/null || {
    result=FAILED
    failures=$((failures + 1))
    echo "== $name ($detail)"
    grep -E -m 12 'error|warning|not |no ' "$work/log"
    tail -n 3 "$work/log"
  }
  table+=("| $name | $detail | $result | $((SECONDS - began)) s |")
  echo "$name: $result" >&2
}
# not_run NAME WHY
not_run() { if asked_for "$1"; then table+=("| $1 | | not run: $2 | |"); fi; }
folders() { tr ':' '\n' <<<"${!1:-}" | sed '/^$/d'; }

# ---- what every row compiles ----

parts='spate/(http2|tls|jwt|zlib|testing)/|cluster/redis|history/sqlite'
headers() { (cd include && find spate -name '*.hpp' ! -path '*/detail/*' ! -name '*src.hpp' | LC_ALL=C sort | sed 's|.*|#include <&>|'); }
: >"$work/nothing.hpp"
headers | grep -vE "$parts" >"$work/core.hpp"
headers | grep -vE 'testing/.*(catch|matchers)' >"$work/all.hpp"
for page in examples/hub/index.html examples/words/index.html examples/own_server/index.html examples/common/spate.js; do
  [ -e "$page" ] || continue
  name=$(basename "$(dirname "$page")")_$(basename "$page" | tr . _)
  name=${name#common_}
  cmake "-DNAME=$name" "-DINPUT=$project/$page" "-DOUTPUT=$work/pages/$name.hpp" -P cmake/embed.cmake
done

strict=(
  -std=c++20 -Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wnull-dereference -Wdouble-promotion -Wcast-align -Wformat=2
  -Iinclude -Iexamples "-I$work" -isystem /usr/share/include/llhttp -DASIO_STANDALONE -DASIO_NO_DEPRECATED
)
# strictly "COMPILER [FLAG]" INCLUDED SOURCE [FLAG...]
strictly() {
  local compiler=$1 included=$2 source=$3 own=()
  shift 3
  [[ $compiler != clang* || " $* " == *" -DNEW_ASIO "* ]] || own=(-DASIO_HAS_CO_AWAIT=1)
  # shellcheck disable=SC2086 # a compiler may have a flag of its own
  $compiler "$@" "${strict[@]}" "${own[@]}" -fsyntax-only -include "$work/$included.hpp" "$source"
}
with_compiler() {
  strictly "$1" all examples/hub/hub.cpp -DHUB_HAS_JWT -DHUB_HAS_REDIS &&
    strictly "$1" all examples/words/words.cpp &&
    strictly "$1" nothing tests/checks/without_coroutines.cpp
}
with_asio() {
  local new=()
  [ "$3" -lt 102800 ] || new=(-DNEW_ASIO)
  strictly "$1" core examples/words/words.cpp "-isystem$2" "${new[@]}"
}

# ---- compilers ----

package_of() { echo "${1/clang++/clang}"; }
# By its exact name: for apt the + of g++-13 is one of a pattern.
in_debian() { apt-cache show --no-all-versions "$1" 2>/dev/null | grep -xF "Package: $1" >/dev/null; }
libcxx() { find /usr/lib/llvm-*/include/c++/v1 -maxdepth 0 2>/dev/null | sort -V | tail -n 1; }

compilers=(g++-{11..14} clang++-{14..19})
missing=()
for compiler in "${compilers[@]}"; do
  package=$(package_of "$compiler")
  if asked_for "$compiler" && in_debian "$package"; then missing+=("$compiler=$package"); fi
done
# Two versions of libc++ cannot be installed at a time.
if asked_for libc++ && [ -z "$(libcxx)" ]; then missing+=(libc++-16-dev clang++-16=clang-16); fi
needs "${missing[@]}"
for compiler in "${compilers[@]}"; do
  if command -v "$compiler" >/dev/null; then
    row "$compiler" "$($compiler -dumpfullversion -dumpversion)" with_compiler "$compiler"
  else
    not_run "$compiler" "not here, nor in this Debian"
  fi
done
version=$(libcxx | grep -oE 'llvm-[0-9]+' | cut -d - -f 2)
if [ -n "$version" ] && command -v "clang++-$version" >/dev/null; then
  row "clang++-$version with libc++" "libc++ $version" with_compiler "clang++-$version -stdlib=libc++"
else
  not_run "libc++" "it is not here, or no clang of its version"
fi

# ---- Asio ----

asio_version() { sed -n 's/^#define ASIO_VERSION \([0-9]*\).*/\1/p' "$1/asio/version.hpp"; }
clang=$(compgen -c clang++ | grep -xE 'clang\+\+-[0-9]+' | sort -V | tail -n 1)
while read -r folder; do
  number=$(asio_version "$folder")
  detail="$((number / 100000)).$((number / 100 % 1000)).$((number % 100))"
  row "Asio $detail" "g++" with_asio g++ "$folder" "$number"
  [ -z "$clang" ] || row "Asio $detail" "$clang" with_asio "$clang" "$folder" "$number"
done < <(folders SPATE_MATRIX_ASIO)
[ -n "${SPATE_MATRIX_ASIO:-}" ] || not_run "Asio newer than Debian's" "SPATE_MATRIX_ASIO names none"

# ---- llhttp: built by CMake, a request parsed ----

with_llhttp() {
  local build=$work/llhttp
  rm -rf "$build" && mkdir "$build"
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DSPATE_BUILD_TESTS=OFF -DSPATE_BUILD_EXAMPLES=OFF \
    "-DCMAKE_INSTALL_PREFIX=$build/prefix" -DFETCHCONTENT_FULLY_DISCONNECTED=ON "$1" &&
    cmake --build "$build" --target install || return 1
  export PKG_CONFIG_PATH="$build/prefix/lib/pkgconfig:${2:-}"
  echo '#include <spate/src.hpp>' >"$build/functions.cpp"
  local flags
  flags=$(pkg-config --cflags spate) || return 1
  for source in "$build/functions.cpp" examples/hello/hello.cpp; do
    # shellcheck disable=SC2086
    ${cache:-} g++ -std=c++20 -DSPATE_SEPARATE_COMPILATION $flags -c "$source" -o "$build/$(basename "$source" .cpp).o" || return 1
  done
  # shellcheck disable=SC2046
  g++ "$build"/{functions,hello}.o $(pkg-config --libs spate) ${2:+"-Wl,-rpath,${2%/pkgconfig}"} -o "$build/hello" || return 1
  serve "$build/hello" "$build/hello"
}
cache=$(command -v ccache) || cache=""
llhttp_version() { sed -n 's/^#define LLHTTP_VERSION_[A-Z]* \([0-9]*\).*/\1/p' "$1" | paste -sd .; }
while read -r folder; do
  row "llhttp $(llhttp_version "$folder/include/llhttp.h")" "its sources" with_llhttp "-DSPATE_LLHTTP_SOURCE_DIR=$folder/src"
done < <(folders SPATE_MATRIX_LLHTTP)
while read -r folder; do
  row "llhttp $(llhttp_version "$folder/include/llhttp.h")" "installed" with_llhttp "-DCMAKE_PREFIX_PATH=$folder" "$folder/lib/pkgconfig"
done < <(folders SPATE_MATRIX_LLHTTP_ROOT)
[ -n "${SPATE_MATRIX_LLHTTP:-}${SPATE_MATRIX_LLHTTP_ROOT:-}" ] || not_run "llhttp 9" "SPATE_MATRIX_LLHTTP names none"

# ---- Catch2 3: a unit test that uses matchers, generators and printing ----

with_catch() {
  mkdir -p "$work/catch2"
  # Its own headers lie in many files; whatever of them is included, it is in this one.
  for header in catch_all.hpp catch.hpp; do echo "#include <catch_amalgamated.hpp>" >"$work/catch2/$header"; done
  for header in $(grep -rhoE 'catch2/[a-z_/]+\.hpp' tests | sort -u); do
    mkdir -p "$work/$(dirname "$header")" && echo "#include <catch_amalgamated.hpp>" >"$work/$header"
  done
  g++ -std=c++20 -DASIO_STANDALONE "-I$1" "-I$work" -Iinclude -Itests -isystem /usr/share/include/llhttp \
    tests/unit/wire_event.cpp "$1/catch_amalgamated.cpp" -o "$work/catch" && "$work/catch"
}
while read -r folder; do
  row "Catch2 $(grep -m 1 -oE 'v3[0-9.]+' "$folder/catch_amalgamated.hpp" | sed 's/^v//')" "tests/unit/wire_event.cpp" with_catch "$folder"
done < <(folders SPATE_MATRIX_CATCH2)
[ -n "${SPATE_MATRIX_CATCH2:-}" ] || not_run "Catch2 3" "SPATE_MATRIX_CATCH2 names none"

# ---- Boost: whatever Debian has; two versions cannot be installed at a time ----

boosts=$(folders SPATE_MATRIX_BOOST)
if asked_for Boost && [ -z "$boosts" ] && in_debian libboost1.81-dev; then
  if (cd "$work" && apt-get download -qq libboost1.81-dev && dpkg-deb -x libboost1.81-dev*.deb boost) >/dev/null 2>&1; then
    boosts=$work/boost/usr/include
  fi
fi
with_boost() {
  local from=()
  [ "$1" = /usr/include ] || from=("-isystem$1")  # where every compiler looks, and last
  g++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only -DASIO_STANDALONE "${from[@]}" -Iinclude -Iexamples "-I$work" \
    -isystem /usr/share/include/llhttp examples/own_server/own_server.cpp
}
for folder in /usr/include $boosts; do
  if [ -e "$folder/boost/version.hpp" ]; then
    row "Boost $(sed -n 's/^#define BOOST_LIB_VERSION "\(.*\)"/\1/p' "$folder/boost/version.hpp" | tr _ .)" \
      "own_server" with_boost "$folder"
  fi
done
[ -n "$boosts" ] || not_run "Boost newer than 1.74" "SPATE_MATRIX_BOOST names none, and it could not be downloaded"

echo
echo "| row | with | seen | in |"
echo "|---|---|---|---|"
printf '%s\n' "${table[@]}"
[ ${#table[@]} -gt 0 ] || { echo "no row has such a name"; exit 2; }
[ "$failures" -eq 0 ] || { echo "$failures rows failed"; exit 1; }
