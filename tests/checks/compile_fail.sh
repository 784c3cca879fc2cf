#!/usr/bin/env bash
# A program that must not compile fails for the reason it gives, by the first error of the compiler, and compiles without
# the offending line.
#
#   compile_fail.sh SOURCE COMPILER [FLAG...]
#
# The source has the offending lines under MUST_NOT_COMPILE and a line `// error: REGEX` for the compiler's words.
set -uo pipefail
source=$1
shift
reason=$(sed -n 's|^// error: ||p' "$source")
if [ -z "$reason" ]; then
  echo "$source has no line '// error: REGEX'"
  exit 1
fi
if ! "$@" -fsyntax-only "$source"; then
  echo "$source does not compile even without the offending line"
  exit 1
fi
if log=$("$@" -fsyntax-only -DMUST_NOT_COMPILE "$source" 2>&1); then
  echo "$source compiles, and must not"
  exit 1
fi
first=$(grep -m 1 -E "error: " <<<"$log")
if ! grep -qE "error: .*$reason" <<<"$first"; then
  echo "$source fails for another reason than /$reason/:"
  echo "$log"
  exit 1
fi
