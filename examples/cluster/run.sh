#!/usr/bin/env bash
# Three hubs that act as one: Redis between them, nginx before them. Installs what is missing, builds the hub, and runs
# all of it until Ctrl-C.
#
#   examples/cluster/run.sh [options]
#
#   --port N         where nginx listens on 127.0.0.1 (8080; 0 takes any that is free)
#   --nodes N        how many hubs (3)
#   --mode MODE      durable, directed or broadcast (durable)
#   --hub FILE       a hub that is built already; nothing is installed or built then
#   --help           say this
#
# The first line on standard output is the one address to use; the nodes' own addresses and process ids go to standard
# error, so that one can be killed to see its users go on at another. Redis keeps nothing: its folder goes with the run.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=../../tests/support/needs.sh
source "$project/tests/support/needs.sh"
PATH=$PATH:/usr/sbin:/sbin

port=8080 nodes=3 mode=durable hub=""
refuse() {
  echo "cluster: $2" >&2
  exit "$1"
}
number() { # OPTION VALUE MOST
  [[ $2 =~ ^[0-9]{1,5}$ ]] && [ "$2" -le "$3" ] || refuse 2 "option $1: \"$2\" is not a number from 0 to $3"
}
while [ $# -gt 0 ]; do
  case $1 in
    --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    --port | --nodes | --mode | --hub) [ $# -gt 1 ] || refuse 2 "option $1 needs a value" ;;
    *) refuse 2 "unknown option \"$1\"" ;;
  esac
  case $1 in
    --port) number "$1" "$2" 65535; port=$2 ;;
    --nodes) number "$1" "$2" 64; nodes=$2; [ "$nodes" -gt 0 ] || refuse 2 "option --nodes: \"$2\" is too few" ;;
    --mode) mode=$2 ;;
    --hub) hub=$2 ;;
  esac
  shift 2
done

if [ -z "$hub" ]; then
  build=$project/build/release
  {
    needs "${build_needs[@]}" redis-server=redis-server nginx=nginx
    configure "$build" -DCMAKE_BUILD_TYPE=Release -DSPATE_BUILD_TESTS=OFF
    cmake --build "$build" --target hub --parallel "$(nproc)"
  } >&2 </dev/null
  hub=$build/examples/hub
fi

folder=$(mktemp -d)
children=()
stop() {
  trap '' INT TERM
  local child
  # nginx first, so that nobody comes back to a hub that is going; Redis last.
  for ((child = ${#children[@]} - 1; child >= 0; --child)); do
    kill "${children[child]}" 2>/dev/null || true
    wait "${children[child]}" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 0' INT TERM

# Each in a session of its own, so that Ctrl-C reaches this script alone; none outlives it, however it ends.
start() { # NAME COMMAND...
  setsid setpriv --pdeathsig TERM "${@:2}" >"$folder/$1.out" </dev/null &
  started=$!
}
# Waits until CONDITION holds; false when the program that was started last has ended.
until_holds() { # CONDITION...
  local tries
  for ((tries = 0; tries < 1500; ++tries)); do
    "$@" && return 0
    kill -0 "$started" 2>/dev/null || return 1
    sleep 0.02
  done
  return 1
}
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# Redis and nginx cannot be asked for any free port. Whoever else takes this one meanwhile makes their start fail.
any_port() {
  local candidate
  while candidate=$((20000 + RANDOM % 40000)) && answers "$candidate"; do :; done
  echo "$candidate"
}
said() { tail -n 3 "$folder/$1.out"; }

for attempt in 1 2 3 4 5; do
  redis_port=$(any_port)
  start redis redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$folder" --save '' --appendonly no
  if until_holds answers "$redis_port"; then break; fi
  [ "$attempt" -lt 5 ] || refuse 1 "redis-server does not start: $(said redis)"
done
children+=("$started")

upstream=""
for ((node = 1; node <= nodes; ++node)); do
  name=node-$node
  start "$name" "$hub" --port 0 --redis "redis://127.0.0.1:$redis_port" --cluster-mode "$mode" --node "$name"
  until_holds grep -q '^listening on ' "$folder/$name.out" || refuse 1 "$name does not start"
  address=$(sed -n '1s/^listening on //p' "$folder/$name.out")
  echo "$name $address pid $started" >&2
  upstream+="server ${address#http://}; "
  children+=("$started")
done

# Events must not be collected before they are passed on, and a stream is quiet for as long as it likes. A request that
# found no hub goes to the next one; with its own Host it stays of the same origin.
configure_nginx() {
  cat >"$folder/nginx.conf" <<CONFIGURATION
daemon off;
worker_processes 1;
pid $folder/nginx.pid;
error_log $folder/nginx.out notice;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path $folder/client_body;
  proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi;
  uwsgi_temp_path $folder/uwsgi;
  scgi_temp_path $folder/scgi;
  client_max_body_size 1m;
  client_body_buffer_size 1m;
  upstream hubs { $upstream}
  server {
    listen 127.0.0.1:$1;
    location / {
      proxy_pass http://hubs;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host \$http_host;
      proxy_buffering off;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
CONFIGURATION
}
serves() { grep -q 'start worker process' "$folder/nginx.out"; }

for attempt in 1 2 3 4 5; do
  front=$port
  if [ "$port" = 0 ]; then front=$(any_port); fi
  if answers "$front"; then refuse 1 "cannot listen on 127.0.0.1 port $front: address already in use"; fi
  configure_nginx "$front"
  start nginx nginx -p "$folder" -e "$folder/nginx.out" -c "$folder/nginx.conf"
  if until_holds serves; then break; fi
  [ "$port" = 0 ] && [ "$attempt" -lt 5 ] || refuse 1 "nginx does not start: $(said nginx)"
done
children+=("$started")

echo "listening on http://127.0.0.1:$front"
# A node may go, and the others carry on; without nginx there is nothing left to reach.
wait "$started"
refuse 1 "nginx has ended: $(said nginx)"
