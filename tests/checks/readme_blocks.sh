#!/usr/bin/env bash
# Takes the code blocks out of a Markdown file.
#
#   readme_blocks.sh FILE DIRECTORY
#
# ```cpp blocks become DIRECTORY/block_N.cpp. One with a main function or tests stands as it is; any other is put into a
# function, after tests/checks/readme_prelude.hpp, which has what snippets may take for granted. #include lines move to
# the top. ```cmake blocks become DIRECTORY/block_N.cmake as they are.
# Files that would not change are left alone, so that nothing is compiled again.
set -euo pipefail
file=$1
directory=$2
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

awk -v directory="$fresh" '
  /^```(cpp|cmake)$/ { kind = substr($0, 4); raw = directory "/block_" ++count "." kind ".raw"; printf "" > raw; next }
  /^```/ && raw != "" { close(raw); raw = ""; next }
  raw != "" { print > raw }
' "$file"

for raw in "$fresh"/*.raw; do
  [ -e "$raw" ] || continue
  block=${raw%.raw}
  if [[ $block == *.cpp ]] && ! grep -qE '^int main\(|^TEST_CASE\(' "$raw"; then
    {
      echo '#include "readme_prelude.hpp"'
      grep '^#include' "$raw" || true
      echo 'namespace { [[maybe_unused]] void snippet() {'
      grep -v '^#include' "$raw"
      echo '} }'
    } >"$raw.wrapped"
    mv "$raw.wrapped" "$raw"
  fi
  mv "$raw" "${raw%.raw}"
done

mkdir -p "$directory"
for old in "$directory"/block_*; do
  [ -e "$old" ] && [ ! -e "$fresh/$(basename "$old")" ] && rm "$old"
done
for new in "$fresh"/block_*; do
  [ -e "$new" ] || continue
  cmp -s "$new" "$directory/$(basename "$new")" || cp "$new" "$directory/"
done
