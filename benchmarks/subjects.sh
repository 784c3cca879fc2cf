# The servers: how each is had, started, and addressed. Sourced by run.sh and profile.sh.
#
#   prepare NAME    installs or builds what is missing; false when the subject is not to be had here
#   start NAME CASE leaves the process in $server_pid, its port in $server_port
#   stop            ends it
#   addresses NAME CASE   prints the options that tell `load` where to subscribe and publish
#
# The caller sets $build (the build tree), $here (this folder), $server_cpus.

FLOORS='floor floor_tls floor_tls_kept floor_http2'
OWN_SUBJECTS="$FLOORS hub bare"
PEERS='nchan better_sse beast node_http2'

prepare() {
  case $1 in
    floor|floor_tls|floor_http2) [ -x "$build/benchmarks/$1" ] ;;
    floor_tls_kept) [ -x "$build/benchmarks/floor_tls" ] ;;
    hub) [ -x "$build/examples/hub" ] ;;
    bare) [ -x "$build/benchmarks/bare" ] ;;
    beast)
      [ -x "$build/benchmarks/beast_server" ] ;;
    node_http2)
      command -v node >/dev/null && make_certificate ;;
    nchan)
      make_certificate
      nchan_module || { install_packages nginx-light libnginx-mod-nchan >&2; nchan_module; } ;;
    better_sse)
      command -v node >/dev/null || return 1
      if [ ! -d "$build/benchmarks/better_sse/node_modules/better-sse" ]; then
        mkdir -p "$build/benchmarks/better_sse"
        cp "$here"/peers/better_sse/package.json "$build/benchmarks/better_sse/"
        (cd "$build/benchmarks/better_sse" && npm install --silent --no-fund --no-audit) >&2
      fi
      cp "$here"/peers/better_sse/server.mjs "$build/benchmarks/better_sse/" ;;
    *) return 1 ;;
  esac
}

install_packages() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q "$@"
  else
    echo "install $*" >&2
    return 1
  fi
}

# For those that read one from a file: P-256, as our own have.
make_certificate() {
  certificate=$build/benchmarks/certificate
  [ -s "$certificate.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -subj /CN=localhost -keyout "$certificate.key" -out "$certificate.pem" 2>/dev/null
}

nchan_module() {
  command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || return 1
  nchan_modules=$(ls -d /usr/lib/nginx/modules /usr/share/nginx/modules /usr/lib64/nginx/modules 2>/dev/null |
    while read -r directory; do [ -e "$directory/ngx_nchan_module.so" ] && echo "$directory"; done | head -1)
  [ -n "$nchan_modules" ]
}

start() {
  local name=$1 case=$2 cpus=$server_cpus
  local log="$build/benchmarks/$name.out" port=0
  case $case in threads_2*) cpus=0,1 ;; esac
  local options
  options=$(case_server_options "$name" "$case")
  : > "$log"
  case $name in
    floor|floor_tls|floor_http2) set -- "$build/benchmarks/$name" --port 0 ;;
    floor_tls_kept) set -- "$build/benchmarks/floor_tls" --port 0 ;;
    hub) set -- "$build/examples/hub" --port 0 ;;
    bare) set -- "$build/benchmarks/bare" --port 0 ;;
    beast) set -- "$build/benchmarks/beast_server" --port 0 ;;
    better_sse) set -- node "$build/benchmarks/better_sse/server.mjs" --port 0 ;;
    node_http2)
      set -- node "$here/peers/node_http2/server.mjs" --port 0 --key "$certificate.key" --cert "$certificate.pem" ;;
    nchan)
      nchan_module || return 1
      local directory="$build/benchmarks/nchan" protocols='' tls=''
      case $case in
        tls_*) protocols='ssl' ;;
        h2_*) protocols='ssl http2' ;;
        h2c_*) protocols='http2' ;;
      esac
      case $protocols in
        ssl*) tls="ssl_certificate $certificate.pem; ssl_certificate_key $certificate.key; ssl_protocols TLSv1.3;" ;;
      esac
      mkdir -p "$directory"
      port=$((20000 + RANDOM % 10000))
      sed -e "s|@MODULES@|$nchan_modules|; s|@DIRECTORY@|$directory|; s|@PORT@|$port|" \
        -e "s|@PROTOCOLS@|$protocols|; s|@TLS@|$tls|" \
        "$here/peers/nchan/nginx.conf.in" > "$directory/nginx.conf"
      set -- "$(command -v nginx || echo /usr/sbin/nginx)" -p "$directory" -c "$directory/nginx.conf" ;;
  esac
  # shellcheck disable=SC2086
  taskset -c "$cpus" ${wrapper:-} "$@" $options > "$log" 2> "$log.err" < /dev/null &
  server_pid=$!
  local i
  for i in $(seq 250); do
    if [ "$port" != 0 ]; then
      (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && { server_port=$port; sleep 0.2; return 0; }
    elif grep -q '^listening on ' "$log"; then
      server_port=$(sed -n '1s/.*:\([0-9]*\)$/\1/p' "$log")
      return 0
    fi
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.02
  done
  echo "$name did not start: $(head -c 300 "$log.err")" >&2
  stop
  return 1
}

# By SIGKILL after two seconds: a server that drains slowly must not slow the run down.
stop() {
  [ -n "${server_pid:-}" ] || return 0
  kill "$server_pid" 2>/dev/null
  local i
  for i in $(seq 100); do
    kill -0 "$server_pid" 2>/dev/null || break
    sleep 0.02
  done
  kill -9 "$server_pid" 2>/dev/null
  wait "$server_pid" 2>/dev/null
  server_pid=
}

addresses() {
  case $1 in
    nchan)
      case $2 in
        unicast*) echo "--subscribe /sub/{user} --publish /pub/{user}" ;;
        *) echo "--subscribe /sub/all --publish /pub/all" ;;
      esac ;;
  esac
}

# Whether a case of the class `all`, `own`, `spate`, `history`, `tls` or `http2` is for this subject.
takes_part() { # SUBJECT CLASS
  case $2 in
    tls) case $1 in floor_tls*|hub|nchan|node_http2) return 0 ;; esac ;;
    http2) case $1 in floor_http2|hub|nchan|node_http2) return 0 ;; esac ;;
    *) case $1 in floor_*|node_http2) return 1 ;; esac ;;
  esac
  case $2 in
    all) return 0 ;;
    own) case " $OWN_SUBJECTS " in *" $1 "*) return 0 ;; esac ;;
    spate) [ "$1" = hub ] || [ "$1" = bare ]; return ;;
    history) [ "$1" = floor ] || [ "$1" = hub ]; return ;;
  esac
  return 1
}
