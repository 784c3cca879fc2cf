#!/usr/bin/env bash
# The optional parts are unknown to programs that do not use them, also on a machine that has all they need: what
# spate::spate is made of includes nothing of theirs, and a program that links to nothing else needs none of their
# libraries.
#
#   parts.sh INCLUDE_DIRECTORY PROGRAM|"" COMPILER [FLAG...]
set -euo pipefail
include=$1 program=$2
shift 2

# A line each: the headers of the part, those of the library that it needs, and the library.
parts=(
  'spate/cluster/.*redis|hiredis/|libhiredis'
  'spate/http2/|nghttp2/|libnghttp2'
  'spate/tls/|openssl/|lib(ssl|crypto)\.'
  'spate/history/.*sqlite|sqlite3\.h|libsqlite3'
  'spate/jwt/|/jwt\.h|libjwt'
  'spate/zlib/|/zlib\.h|libz\.'
  'spate/testing/|catch2/'
)
pattern="/($(IFS='|' && echo "${parts[*]}"))"
pattern=${pattern//|\//|}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$include" && find spate -name '*.hpp' ! -path '*/detail/*' ! -name '*src.hpp' | LC_ALL=C sort) |
  grep -vE "${pattern#/}" | sed 's/.*/#include <&>/' >"$work/main.cpp"
grep -q '<spate/server/server.hpp>' "$work/main.cpp"
"$@" -M "$work/main.cpp" | tr ' ' '\n' >"$work/included"
grep -q 'asio/io_context.hpp' "$work/included"
if grep -E "$pattern" "$work/included"; then
  echo "these are included though no program asked for the part that needs them"
  exit 1
fi
if [ -n "$program" ]; then
  ldd "$program" >"$work/linked"
  grep -q 'libc\.' "$work/linked"
  if grep -E "$pattern" "$work/linked"; then
    echo "$program links what it does not use"
    exit 1
  fi
fi
echo "$(wc -l <"$work/main.cpp") headers include nothing of the optional parts"
