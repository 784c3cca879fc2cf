# Sourced by tests/run.sh, examples/run.sh and benchmarks/run.sh: installing what is missing.

# needs NAME... where each NAME is a Debian package, or COMMAND=PACKAGE when any source of the command will do.
# Installs those that are missing, as root; otherwise says what to install, and goes on: what is missing may not be
# needed for what comes.
needs() {
  local need package missing=()
  command -v apt-get >/dev/null || return 0
  for need in "$@"; do
    package=${need#*=}
    if [ "$package" != "$need" ] && command -v "${need%%=*}" >/dev/null; then continue; fi
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then continue; fi
    missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing, please install: apt-get install ${missing[*]}" >&2
    return 0
  fi
  echo "installing ${missing[*]}" >&2
  local log
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "could not install ${missing[*]}" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# What every build needs.
build_needs=(
  g++=g++ make=make cmake=cmake ninja=ninja-build ccache=ccache
  libasio-dev node-llhttp libhiredis-dev libjwt-dev libssl-dev libnghttp2-dev libsqlite3-dev zlib1g-dev nlohmann-json3-dev libboost-dev
)

# configure BUILD OPTION... configures this project into the directory BUILD, with Ninja and ccache where they are.
configure() {
  local build=$1
  shift
  local options=()
  if command -v ninja >/dev/null && [ ! -f "$build/Makefile" ]; then options+=(-G Ninja); fi
  if command -v ccache >/dev/null; then
    options+=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache)
  fi
  cmake -S "$project" -B "$build" "${options[@]}" "$@"
}

# Precompiled headers and ccache go together only with these.
export CCACHE_SLOPPINESS=pch_defines,time_macros
# What was compiled in one clone of the project serves another: paths below it are told to the compiler relatively.
CCACHE_BASEDIR=${CCACHE_BASEDIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
export CCACHE_BASEDIR CCACHE_NOHASHDIR=1
