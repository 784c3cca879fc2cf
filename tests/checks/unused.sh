#!/usr/bin/env bash
# A program that includes the library and uses nothing of it compiles nothing of it. A virtual function that is defined
# outside its class, and not declared with SPATE_DECL within, would make every program compile its class and all that
# leads to.
#
#   unused.sh COMPILER [FLAG...]
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#include <spate/spate.hpp>\nint main() {}\n' > "$work/main.cpp"
"$@" -O0 -c "$work/main.cpp" -o "$work/main.o"
nm -C --defined-only "$work/main.o" > "$work/symbols"
grep -q ' main$' "$work/symbols" || { echo "the program has no main: nm could not read it"; exit 1; }
if grep -E '(^| |for )spate::' "$work/symbols" > "$work/ours"; then
  cut -c 18-150 "$work/ours" | sed -n 1,20p
  echo "these functions and tables are compiled though nothing uses them"
  exit 1
fi
echo "nothing that is not used is compiled"
