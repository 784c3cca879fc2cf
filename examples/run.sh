#!/usr/bin/env bash
# Installs what is missing, builds one example for speed, and runs it.
#
#   examples/run.sh [NAME] [options of the example]
#
# NAME is `hub` when none is given; --help shows an example's options. Only what the example prints goes to standard
# output: everything about the building goes to standard error.
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=../tests/support/needs.sh
source "$project/tests/support/needs.sh"

name=hub
case ${1:-} in
  "" | -*) ;;
  *) name=$1; shift ;;
esac
if [ -x "$project/examples/$name/run.sh" ]; then exec "$project/examples/$name/run.sh" "$@"; fi
if [ ! -f "$project/examples/$name/$name.cpp" ]; then
  there=$(cd "$project/examples" && for known in */; do if [ -f "$known${known%/}.cpp" ] || [ -x "${known}run.sh" ]; then printf " %s" "${known%/}"; fi; done)
  echo "there is no example \"$name\"; there are:$there" >&2
  exit 2
fi

build=$project/build/release
{
  needs "${build_needs[@]}"
  configure "$build" -DCMAKE_BUILD_TYPE=Release -DSPATE_BUILD_TESTS=OFF
  cmake --build "$build" --target "$name" --parallel "$(nproc)"
} >&2 </dev/null
exec "$build/examples/$name" "$@"
