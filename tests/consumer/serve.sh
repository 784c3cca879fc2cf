# Sourced by the scripts beside it.

# serve PROGRAM OUT [ROUTE] runs it, reads an event of its stream and stops it. OUT begins the names of what is noted.
serve() {
  local program=$1 out=$2 route=${3:-/hello} url
  "$program" --port 0 >"$out.out" &
  server=$!
  for _ in $(seq 100); do
    grep -q '^listening on ' "$out.out" && break
    kill -0 $server
    sleep 0.05
  done
  url=$(sed -n '1s/^listening on //p' "$out.out")
  curl --silent --no-buffer --max-time 3 "$url$route" >"$out.events" || true
  if ! grep -q '^data: ' "$out.events"; then
    echo "no event came from $url$route, but:"
    cat "$out.events"
    exit 1
  fi
  kill -TERM $server
  wait $server
  echo "$program served an event"
}
trap 'kill ${server:-} 2>/dev/null || true' EXIT

# install_spate BUILD PREFIX installs what was built, and lets pkg-config find it there alone beside the system's.
install_spate() {
  cmake --install "$1" --prefix "$2" >"$2.log"
  PKG_CONFIG_PATH=$(dirname "$(find "$2" -name spate.pc)")
  export PKG_CONFIG_PATH
}

# has_no_parts DESCRIPTION: the standard input names nothing that only an optional part needs.
has_no_parts() {
  local parts='hiredis|spate/cluster|openssl|libssl|libcrypto|spate/tls|nghttp2|spate/http2|sqlite|jwt|zlib|libz\.|spate/testing'
  if grep -iE "$parts"; then
    echo "$1 what it did not ask for"
    exit 1
  fi
}
