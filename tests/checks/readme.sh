#!/usr/bin/env bash
# README.md's first program is examples/hello/hello.cpp, and its CMake is what the consumer projects do.
#
#   readme.sh PROJECT BLOCKS     where BLOCKS was filled by readme_blocks.sh
set -uo pipefail
project=$1
blocks=$2
failures=0

first=$(ls "$blocks"/block_*.cpp 2>/dev/null | sort -V | head -n 1)
if [ -z "$first" ]; then
  echo "README.md has no program"
  failures=1
elif ! diff -u "$project/examples/hello/hello.cpp" "$first"; then
  echo "README.md's first program differs from examples/hello/hello.cpp"
  failures=1
fi

# contains FILE BLOCK: whether the lines of BLOCK stand in FILE, one after another.
contains() {
  awk 'NR == FNR { block[++lines] = $0; next }
       { file[++count] = $0 }
       END {
         for (at = 0; at + lines <= count; at++) {
           for (line = 1; line <= lines && file[at + line] == block[line]; line++);
           if (line > lines) exit 0
         }
         exit 1
       }' "$2" "$1"
}

for block in "$blocks"/block_*.cmake; do
  [ -e "$block" ] || continue
  found=no
  for consumer in "$project"/tests/consumer/*/CMakeLists.txt; do
    if contains "$consumer" "$block"; then found=yes; fi
  done
  if [ "$found" = no ]; then
    echo "no consumer project does this from README.md:"
    cat "$block"
    failures=1
  fi
done
exit $failures
