#!/usr/bin/env bash
# The vcpkg port and the Conan recipe of cmake/packaging: their steps, done by scripts that stand in for the two tools,
# from a local archive to a program that runs. What the tools themselves would say of them is not known here.
#
#   packaging.sh PROJECT BUILD [CMAKE_OPTION...]
set -euo pipefail
# shellcheck source=serve.sh
source "$(dirname "$0")/serve.sh"
project=$1 build=$2
shift 2
packaging=$project/cmake/packaging here=$project/tests/consumer/packaging
scratch=$build/consumer/packaging
rm -rf "$scratch"
mkdir -p "$scratch"

# The parts are those that Spate has and that need something.
install_spate "$build" "$scratch/prefix"
parts=$(grep -l '^Requires: spate .*,' "$PKG_CONFIG_PATH"/spate-*.pc | xargs basename -a -s .pc | sed 's/spate-//' | LC_ALL=C sort | tr '\n' ' ')
[ "$(python3 -c 'import json, sys; print(*sorted(json.load(open(sys.argv[1]))["features"]), "")' "$packaging/vcpkg/vcpkg.json")" = "$parts" ]
[ "$(sed -n '/^PARTS/,/^}/s/^ *"\([a-z0-9]*\)".*/\1/p' "$packaging/conan/conanfile.py" | LC_ALL=C sort | tr '\n' ' ')" = "$parts" ]

echo "== vcpkg"
tar -C "$project" -czf "$scratch/spate.tar.gz" CMakeLists.txt LICENSE README.md .github cmake include examples \
  benchmarks/README.md
options=$(IFS=';' && echo "$*")
SPATE_ARCHIVE=$scratch/spate.tar.gz cmake "-DPORT_DIR=$packaging/vcpkg" "-DWORK=$scratch/vcpkg" "-DOPTIONS=$options" \
  -P "$here/vcpkg_stand_in.cmake"
for file in share/spate/{spate-config.cmake,copyright,usage} include/spate/spate.hpp lib/pkgconfig/spate.pc; do
  test -s "$scratch/vcpkg/packages/$file"
done
cmake -S "$packaging/conan/test_package" -B "$scratch/vcpkg/program" "-Dspate_DIR=$scratch/vcpkg/packages/share/spate" "$@"
cmake --build "$scratch/vcpkg/program"
serve "$scratch/vcpkg/program/server" "$scratch/vcpkg/server"

echo "== Conan"
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$here/conan_stand_in python3 "$here/conan_stand_in/conan_stand_in.py" "$packaging/conan" "$scratch/conan" "$@"
serve "$scratch/conan/test/server" "$scratch/conan/server"
