#!/usr/bin/env bash
# Builds examples/hello/hello.cpp by what pkg-config says of an installed Spate, as one command does it, runs it and reads
# its stream; with the folders of the installation moved since. And a program for each optional part that is there.
#
#   pkg_config.sh PROJECT BUILD COMPILER...
set -euo pipefail
# shellcheck source=serve.sh
source "$(dirname "$0")/serve.sh"
project=$1 build=$2
shift 2
scratch=$build/consumer/pkg_config
rm -rf "$scratch"
mkdir -p "$scratch"
install_spate "$build" "$scratch/prefix"
test -s "$scratch/prefix/share/doc/spate/LICENSE"
mv "$scratch/prefix" "$scratch/moved"
PKG_CONFIG_PATH=${PKG_CONFIG_PATH/prefix/moved}

version=$(sed -n 's/^#define SPATE_VERSION_STRING "\(.*\)"/\1/p' "$project/include/spate/version.hpp")
pkg-config --exact-version "$version" spate
# shellcheck disable=SC2046 # these are words
"$@" -std=c++20 -Wall -Wextra -Werror "$project/examples/hello/hello.cpp" $(pkg-config --cflags --libs spate) \
  -o "$scratch/server"
ldd "$scratch/server" | has_no_parts "the program links"
serve "$scratch/server" "$scratch/server"

# shellcheck disable=SC2046
"$@" -std=c++20 $(pkg-config --cflags spate) -fsyntax-only "$project/tests/checks/asio_first.cpp"

# Each part, by the public headers that are its own.
for file in "$scratch"/moved/lib*/{,*/}pkgconfig/spate-*.pc; do
  [ -e "$file" ] || continue
  part=$(basename "$file" .pc)
  if ! pkg-config --exists "$part"; then
    echo "$part: what it needs is not here"
    continue
  fi
  case $part in
    spate-sqlite) header=history/sqlite_replay_store.hpp ;;
    spate-redis) header=cluster/redis_bus.hpp ;;
    spate-testing) header=testing/server.hpp ;;
    *) header=$(cd "$project/include/spate" && find "${part#spate-}" -maxdepth 1 -name '*.hpp' ! -name '*_src.hpp' | head -n 1) ;;
  esac
  printf '#include <spate/spate.hpp>\n#include <spate/%s>\nint main() {}\n' "$header" >"$scratch/$part.cpp"
  # shellcheck disable=SC2046
  "$@" -std=c++20 -Wall -Wextra -Werror -DSPATE_SEPARATE_COMPILATION "$scratch/$part.cpp" \
    $(pkg-config --cflags --libs "$part") -o "$scratch/$part"
  echo "$part: <spate/$header> compiles and links"
done
