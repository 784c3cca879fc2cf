#!/usr/bin/env bash
# Builds one of the consumer projects around examples/hello/hello.cpp, runs it and reads its stream; find_package also
# builds and runs the test of examples/unit_testing.
#
#   run.sh find_package|add_subdirectory|fetch_content PROJECT BUILD [CMAKE_OPTION...]
set -euo pipefail
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
    cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log"
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
cmake -S "$scratch/$kind" -B "$scratch/build" -DCMAKE_BUILD_TYPE=Debug -DSPATE_HIREDIS_INCLUDE_DIR= \
  -DSPATE_NGHTTP2_INCLUDE_DIR= -DSPATE_SQLITE_INCLUDE_DIR= -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON "$@"
cmake --build "$scratch/build"

if find "$scratch/build" -name '*.d' -exec cat {} + | grep -E 'hiredis|spate/cluster|openssl|spate/tls|nghttp2|spate/http2|sqlite'; then
  echo "the program includes what it did not ask for"
  exit 1
fi
if ldd "$scratch/build/server" | grep -iE 'hiredis|libssl|nghttp2|sqlite'; then
  echo "the program links what it did not ask for"
  exit 1
fi

# serve PROGRAM runs it, reads an event and stops it.
serve() {
  "$1" --port 0 >"$scratch/out" &
  server=$!
  for _ in $(seq 100); do
    grep -q '^listening on ' "$scratch/out" && break
    kill -0 $server
    sleep 0.05
  done
  url=$(sed -n '1s/^listening on //p' "$scratch/out")
  curl --silent --no-buffer --max-time 3 "$url/hello" >"$scratch/events" || true
  if ! grep -q '^data: ' "$scratch/events"; then
    echo "no event came from $url/hello, but:"
    cat "$scratch/events"
    exit 1
  fi
  kill -TERM $server
  wait $server
}
trap 'kill $server 2>/dev/null || true' EXIT
for program in server server_compiled; do
  if [ -x "$scratch/build/$program" ]; then serve "$scratch/build/$program"; fi
done
if [ "$kind" = find_package ]; then "$scratch/build/notes_test"; fi
