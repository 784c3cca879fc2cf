#!/usr/bin/env bash
# All public headers, and two examples that use much of them, compile without a warning with every compiler that Spate
# knows; so does the library without coroutines. Says which compilers these were.
#
#   compilers.sh [COMPILER...]
#
# Without a name: those that are here or that Debian has, which are installed; and clang with libc++, the newest that is
# here, else that of clang 16, which has no std::stop_token.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
cd "$project"
# shellcheck source=../support/needs.sh
source tests/support/needs.sh

package_of() { echo "${1/clang++/clang}"; }
# By its exact name: for apt the + of g++-13 is one of a pattern.
in_debian() { apt-cache show --no-all-versions "$1" 2>/dev/null | grep -xF "Package: $1" >/dev/null; }
libcxx() { find /usr/lib/llvm-*/include/c++/v1 -maxdepth 0 2>/dev/null | sort -V | tail -n 1; }

compilers=("$@") absent=()
if [ $# -eq 0 ]; then
  wanted=()
  for compiler in g++-{11..13} clang++-{14..19}; do
    package=$(package_of "$compiler")
    if in_debian "$package"; then wanted+=("$compiler=$package"); fi
  done
  # Two versions of libc++ cannot be installed at a time.
  [ -n "$(libcxx)" ] || wanted+=(libc++-16-dev)
  needs "${wanted[@]}"
  for compiler in g++-{11..13} clang++-{14..19}; do
    if command -v "$compiler" >/dev/null; then compilers+=("$compiler"); else absent+=("$compiler"); fi
  done
  version=$(libcxx | grep -oE 'llvm-[0-9]+' | cut -d - -f 2) || true
  if [ -n "$version" ] && command -v "clang++-$version" >/dev/null; then
    compilers+=("clang++-$version -stdlib=libc++")
  else
    absent+=(libc++)
  fi
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd include && find spate -name '*.hpp' ! -path '*/detail/*' | sort | sed 's|.*|#include <&>|') >"$work/all.hpp"
for page in examples/hub/index.html examples/words/index.html examples/common/spate.js; do
  name=$(basename "$(dirname "$page")")_$(basename "$page" | tr . _)
  name=${name#common_}
  cmake "-DNAME=$name" "-DINPUT=$project/$page" "-DOUTPUT=$work/pages/$name.hpp" -P cmake/embed.cmake
done
sources=(examples/words/words.cpp examples/hub/hub.cpp tests/checks/without_coroutines.cpp)

# compile COMPILER SOURCE
compile() {
  local flags=(
    -std=c++20 -fsyntax-only -Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast
    -Iinclude -Iexamples "-I$work" -isystem /usr/share/include/llhttp
    -DASIO_STANDALONE -DASIO_NO_DEPRECATED -DHUB_HAS_JWT -DHUB_HAS_REDIS
  )
  case $1 in clang++*) flags+=(-DASIO_HAS_CO_AWAIT=1) ;; esac
  case $2 in examples/*) flags+=(-include "$work/all.hpp") ;; esac
  # shellcheck disable=SC2086 # a compiler may have a flag of its own
  $1 "${flags[@]}" "$2" || { echo "$1 does not compile $2 without a warning" >&2; return 1; }
}
export -f compile
export work

for compiler in "${compilers[@]}"; do printf "$compiler\0%s\0" "${sources[@]}"; done |
  xargs -0 -n 2 -P "$(nproc)" bash -c 'compile "$@"' compile

echo "compiled without a warning by ${#compilers[@]} compilers:"
for compiler in "${compilers[@]}"; do echo "  $compiler: $($compiler --version | head -n 1)"; done
[ ${#absent[@]} -eq 0 ] || echo "neither here nor in this Debian: ${absent[*]}"
