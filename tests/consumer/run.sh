#!/usr/bin/env bash
# Builds one of the consumer projects around examples/hello/hello.cpp, runs it and reads its stream; find_package also
# builds and runs the test of examples/unit_testing.
#
#   run.sh find_package|add_subdirectory|fetch_content PROJECT BUILD [CMAKE_OPTION...]
set -euo pipefail
# shellcheck source=serve.sh
source "$(dirname "$0")/serve.sh"
kind=$1
project=$2
build=$3
shift 3
scratch=$build/consumer/$kind
rm -rf "$scratch"
mkdir -p "$scratch"
cp -r "$project/tests/consumer/$kind" "$project/tests/consumer/no_leaks.cmake" "$scratch/"
cp "$project/examples/hello/hello.cpp" "$scratch/$kind/main.cpp"
if [ "$kind" = find_package ]; then
  cp -r "$project/examples/unit_testing" "$project/tests/support/catch_main.cpp" "$scratch/$kind/"
  mv "$scratch/$kind/unit_testing/test/notes_test.cpp" "$scratch/$kind/"
fi

# What a clone would have, and not the build directories beside it.
copy_of_project() {
  tar -C "$project" -cf - CMakeLists.txt cmake include
}

case $kind in
  find_package)
    install_spate "$build" "$scratch/prefix"
    set -- "$@" "-DCMAKE_PREFIX_PATH=$scratch/prefix"
    ;;
  add_subdirectory)
    mkdir "$scratch/$kind/spate"
    copy_of_project | tar -C "$scratch/$kind/spate" -xf -
    ;;
  fetch_content)
    copy_of_project | gzip -1 >"$scratch/$kind/spate.tar.gz"
    ;;
esac

# As on a machine without what only parts of it need: a path that is set, though to nothing, is not searched for.
configure() {
  cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Debug -DSPATE_HIREDIS_INCLUDE_DIR= -DSPATE_NGHTTP2_INCLUDE_DIR= \
    -DSPATE_SQLITE_INCLUDE_DIR= -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON "${@:3}"
}
configure "$scratch/$kind" "$scratch/build" "$@"
cmake --build "$scratch/build"

dependencies() {
  find "$scratch/build" -name '*.d' -exec cat {} +
  # Of each target a block of lines; the test asks for the kit, and others do not.
  if [ -f "$scratch/build/build.ninja" ]; then
    ninja -C "$scratch/build" -t deps | awk 'BEGIN { RS = ""; ORS = "\n\n" } $1 !~ /notes_test|testing/'
  fi
}
dependencies >"$scratch/dependencies"
grep -q 'spate/wire/event.hpp' "$scratch/dependencies"  # or else they would not tell anything
has_no_parts "the program includes" <"$scratch/dependencies"
ldd "$scratch/build/server" | has_no_parts "the program links"

if [ "$kind" = find_package ]; then
  # What lacks is said.
  mkdir "$scratch/missing"
  cat >"$scratch/missing/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(missing LANGUAGES CXX)
find_package(spate 0.2 REQUIRED COMPONENTS tls web)
END
  if configure "$scratch/missing" "$scratch/missing/build" "$@" >"$scratch/missing/log" 2>&1; then
    echo "a program got components that are not there"
    exit 1
  fi
  tr -s ' \n' ' ' <"$scratch/missing/log" >"$scratch/missing/words"
  for words in 'The component tls needs OpenSSL 3' 'There is no component web; there are redis, '; do
    grep -qF "$words" "$scratch/missing/words" || { cat "$scratch/missing/log"; echo "it does not say: $words"; exit 1; }
  done
fi

for program in server server_compiled; do
  if [ -x "$scratch/build/$program" ]; then serve "$scratch/build/$program" "$scratch/$program"; fi
done
if [ "$kind" = find_package ]; then "$scratch/build/notes_test"; fi
