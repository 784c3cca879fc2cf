#!/usr/bin/env bash
# Installs what is missing, builds, and runs the tests with ctest.
#
#   tests/run.sh [options] [-- ctest options]
#
#   --label NAME           only tests with this label (repeatable): unit, loopback, conduct, browser, npm, redis, fault,
#                          fuzz, storm, soak, consumer, check, example
#   --skip NAME            no tests with this label (repeatable)
#   --sanitize KIND        address (with undefined behaviour) or thread
#   --compiler NAME        a C++ compiler, for example clang++-16
#   --portable             without what only Linux has
#   --fuzz SECONDS         lets each fuzz target search for so long; needs Clang
#   --build DIRECTORY      where to build; by default build/ and a name made of the options
#   --jobs N               compilations at a time, by default one a core; and twice as many tests, which mostly wait
#   --target NAME          builds only this target (repeatable)
#   --build-only           runs nothing
#   --test-only            runs what was built before
#   --no-install           installs nothing
#   --install-only         installs, and does nothing else
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=support/needs.sh
source "$project/tests/support/needs.sh"

labels=() skipped=() sanitize="" compiler="" portable="" fuzz="" build="" targets=() jobs=$(nproc) install=yes steps="build test"
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }
refuse() {
  echo "tests/run.sh: $*" >&2
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --label) labels+=("${2:?}"); shift ;;
    --skip) skipped+=("${2:?}"); shift ;;
    --sanitize) sanitize=${2:?}; shift ;;
    --compiler) compiler=${2:?}; shift ;;
    --portable) portable=yes ;;
    --fuzz) fuzz=${2:?}; shift ;;
    --build) build=${2:?}; shift ;;
    --jobs) jobs=${2:?}; shift ;;
    --target) targets+=("${2:?}"); shift ;;
    --build-only) steps=build ;;
    --test-only) steps=test ;;
    --no-install) install=no ;;
    --install-only) install=only ;;
    --help) usage; exit ;;
    --) shift; break ;;
    *) refuse "unknown option \"$1\"" ;;
  esac
  shift
done
case $compiler in clang++*) ;; *) [ -z "$fuzz" ] || refuse "--fuzz needs --compiler clang++-16 or the like" ;; esac
case $sanitize in "" | address | thread) ;; *) refuse "unknown sanitizer \"$sanitize\"" ;; esac

if [ "$install" != no ]; then
  needs "${build_needs[@]}" catch2 curl=curl redis-server=redis-server node=nodejs npm=npm chromium=chromium \
    nginx=nginx haproxy=haproxy caddy=caddy go=golang-go systemd-socket-activate=systemd ip=iproute2 slowhttptest=slowhttptest \
    openssl=openssl nghttp=nghttp2-client javac=default-jdk-headless pkg-config=pkgconf python3=python3 doxygen=doxygen
  case $compiler in
    clang++-*) needs "$compiler=clang-${compiler#clang++-}" "libclang-rt-${compiler#clang++-}-dev" "llvm-${compiler#clang++-}" ;;
    clang++) needs clang++=clang ;;
  esac
  if [ -f "$project/tests/web/package-lock.json" ] && command -v npm >/dev/null &&
    ! cmp -s "$project/tests/web/package-lock.json" "$project/tests/web/node_modules/.installed"; then
    echo "installing the packages of tests/web" >&2
    (cd "$project/tests/web" && npm ci --no-audit --no-fund --loglevel=error </dev/null >&2 &&
      cp package-lock.json node_modules/.installed)
  fi
fi
if [ "$install" = only ]; then exit; fi

options=(-DCMAKE_BUILD_TYPE=Debug "-DSPATE_SANITIZE=$sanitize")
if [ -n "$compiler" ]; then options+=("-DCMAKE_CXX_COMPILER=$compiler"); fi
if [ -n "$portable" ]; then options+=(-DSPATE_PORTABLE=ON); else options+=(-DSPATE_PORTABLE=OFF); fi
if [ -n "$fuzz" ]; then
  # The same compiler for C, so that the parser of requests can be looked into too.
  options+=(-DSPATE_BUILD_FUZZERS=ON "-DSPATE_FUZZ_SECONDS=$fuzz" "-DCMAKE_C_COMPILER=${compiler/clang++/clang}")
fi
if [ -z "$build" ]; then
  build="$project/build/tests${compiler:+-$compiler}${sanitize:+-$sanitize}${portable:+-portable}${fuzz:+-fuzz}"
fi

if [[ $steps == *build* ]]; then
  configure "$build" "${options[@]}"
  cmake --build "$build" --parallel "$jobs" ${targets[@]:+--target "${targets[@]}"}
fi
[[ $steps == *test* ]] || exit 0

# What tells the names of functions where a sanitizer of Clang's finds something.
case $compiler in clang++-*) PATH=$PATH:/usr/lib/llvm-${compiler#clang++-}/bin ;; esac
# A sanitizer finds no room for its shadow where the kernel spreads addresses too widely.
run=()
if [ -n "$sanitize$fuzz" ] && setarch "$(uname -m)" --addr-no-randomize true 2>/dev/null; then
  run=(setarch "$(uname -m)" --addr-no-randomize)
fi
selection=()
join() { local IFS='|'; echo "^($*)\$"; }
if [ ${#labels[@]} -gt 0 ]; then selection+=(-L "$(join "${labels[@]}")"); fi
if [ ${#skipped[@]} -gt 0 ]; then selection+=(-LE "$(join "${skipped[@]}")"); fi
cd "$build"
exec "${run[@]}" ctest --output-on-failure --no-tests=error --parallel $((2 * jobs)) "${selection[@]}" "$@"
