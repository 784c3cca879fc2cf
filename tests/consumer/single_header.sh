#!/usr/bin/env bash
# The single headers as who copies them has them: without Spate's own headers, and with all warnings.
#
#   single_header.sh PROJECT BUILD COMPILER...
#
# Each stands alone; two sources of one program link, headers alone and with the functions compiled once; and
# examples/hello/hello.cpp serves an event. Clang, where there is one, reads all of them too.
set -euo pipefail
# shellcheck source=serve.sh
source "$(dirname "$0")/serve.sh"
project=$1 build=$2
shift 2
scratch=$build/consumer/single_header
rm -rf "$scratch"
mkdir -p "$scratch"
install_spate "$build" "$scratch/prefix"
rm -r "$scratch/prefix/include/spate"
cp "$build"/single_header/*.hpp "$scratch/"

parts=()
for header in "$scratch"/spate_*.hpp; do
  part=${header#*/spate_} part=$(basename "${part%.hpp}") part=${part#spate_}
  if pkg-config --exists "spate-$part"; then parts+=("$part"); else echo "spate_$part.hpp: not compiled, what it needs is not here"; fi
done
[ ${#parts[@]} -gt 0 ]

sed -E '/#include <(asio|spate)\//d; 1i #include "spate.hpp"' "$project/examples/hello/hello.cpp" >"$scratch/main.cpp"
printf '#include "spate_%s.hpp"\n' "${parts[@]}" >"$scratch/other.cpp"
echo 'unsigned version() { return SPATE_VERSION; }' >>"$scratch/other.cpp"
(echo '#define SPATE_IMPLEMENTATION' && cat "$scratch/other.cpp") | sed 's/version()/functions()/' >"$scratch/functions.cpp"
if grep -nE '^ *# *include <spate/' "$scratch"/*.hpp; then
  echo "a single header needs another"
  exit 1
fi

read -ra flags <<<"-std=c++20 -Wall -Wextra -Werror $(pkg-config --cflags "${parts[@]/#/spate-}")"
read -ra libraries <<<"$(pkg-config --libs "${parts[@]/#/spate-}")"

# compile NAME SOURCE COMPILER... [-D...]
compile() { "${@:3}" "${flags[@]}" -c "$scratch/$2.cpp" -o "$scratch/$1.o"; }
compile main main "$@"
compile other other "$@"
"$@" "$scratch"/{main,other}.o "${libraries[@]}" -o "$scratch/server"
serve "$scratch/server" "$scratch/server"
compile main main "$@" -DSPATE_SEPARATE_COMPILATION
compile other other "$@" -DSPATE_SEPARATE_COMPILATION
compile functions functions "$@" -DSPATE_SEPARATE_COMPILATION
"$@" "$scratch"/{main,other,functions}.o "${libraries[@]}" -o "$scratch/server_compiled"
serve "$scratch/server_compiled" "$scratch/server_compiled"

for part in "${parts[@]}"; do
  printf '#include "spate_%s.hpp"\n' "$part" >"$scratch/alone_$part.cpp"
  compile alone "alone_$part" "$@" -fsyntax-only -DSPATE_SEPARATE_COMPILATION
done
clang=$(compgen -c clang++ | grep -xE 'clang\+\+(-[0-9]+)?' | sort -V | tail -n 1) || true
if [ -n "$clang" ] && ! "$@" --version | grep -q clang; then compile functions functions "$clang" -fsyntax-only; fi
