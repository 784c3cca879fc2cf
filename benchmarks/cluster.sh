#!/usr/bin/env bash
# Deliveries a second through Redis with 1, 2 and 3 nodes in each mode, against one hub alone in the same round.
#
#   benchmarks/cluster.sh [options]
#     --modes "A B"    durable directed broadcast
#     --nodes "N M"    1 2 3
#     --cases "A B"    unicast fanout
#     --rounds N       rounds, interleaved (3); a row has the medians
#     --seconds T      how long each measurement publishes (2)
#     --build DIR      a release tree (build-benchmarks beside this folder); configured and built when it lacks a program
#     --no-build       take the build tree as it is
#     --nice N         niceness of all of it, where allowed (0)
#
# unicast: 300 users with a stream each, spread over the nodes in turn; 16 publishers, on all nodes, send to one user
# after the other. fanout: they send to all of the 300. Each publisher sends the next when it has its answer, so durable
# mode's answers, which wait for Redis, are part of its figure.
#
# commands: what Redis ran for each event, those within scripts too; less than one in twenty events is left out, which
# is what streams that open and close cost, and leases. busy: the time that Redis, all hubs and the client ran, in
# percent of one processor.
#
# Exit status 1 when an event was missing, doubled or out of order.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
# shellcheck source=../tests/support/needs.sh
. "$root/tests/support/needs.sh"
. "$here/priority.sh"

modes="durable directed broadcast" counts="1 2 3" cases="unicast fanout" rounds=3 seconds=2
build=$root/build-benchmarks make=1 niceness=0
arguments=("$@")
while [ $# -gt 0 ]; do
  case $1 in
    --modes) modes=$2; shift ;;
    --nodes) counts=$2; shift ;;
    --cases) cases=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --seconds) seconds=$2; shift ;;
    --build) build=$2; shift ;;
    --no-build) make= ;;
    --nice) niceness=$2; shift ;;
    --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit ;;
    *) echo "cluster.sh: unknown option \"$1\"" >&2; exit 2 ;;
  esac
  shift
done

if [ -n "$make" ]; then
  {
    project=$root
    needs "${build_needs[@]}" redis-server=redis-server curl=curl
    [ -f "$build/CMakeCache.txt" ] || configure "$build" -DCMAKE_BUILD_TYPE=Release -DSPATE_BUILD_TESTS=OFF \
      -DSPATE_BUILD_EXAMPLES=ON -DSPATE_BUILD_BENCHMARKS=ON
    for target in load hub; do cmake --build "$build" --target $target; done
  } >&2 </dev/null || exit 2
fi

take_priority "$niceness" "$0" "${arguments[@]}"
folder=$(mktemp -d)
pids=()
stop_all() {
  local pid
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null; done
  pids=()
}
trap 'stop_all; rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

ask() { redis-cli -p "$redis_port" "$@"; }
start_redis() {
  local tries
  for _ in 1 2 3 4 5; do
    redis_port=$((20000 + RANDOM % 40000))
    redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$folder" --save '' --appendonly no >"$folder/redis.out" &
    redis_pid=$!
    for ((tries = 0; tries < 100; ++tries)); do
      kill -0 $redis_pid 2>/dev/null || break
      if [ "$(ask ping 2>/dev/null)" = PONG ]; then pids+=($redis_pid); return 0; fi
      sleep 0.05
    done
  done
  echo "cluster.sh: redis-server does not start: $(tail -n 3 "$folder/redis.out")" >&2
  return 1
}
# Leaves its port in $port, its pid in $pid.
start_hub() { # OPTION...
  local tries
  : >"$folder/hub.out"
  "$build/examples/hub" --port 0 "$@" >"$folder/hub.out" 2>"$folder/hub.err" &
  pid=$!
  pids+=($pid)
  for ((tries = 0; tries < 500; ++tries)); do
    port=$(sed -n '1s/^listening on .*://p' "$folder/hub.out")
    if [ -n "$port" ] && [ "$(curl -s "http://127.0.0.1:$port/healthz")" = ok ]; then return 0; fi
    sleep 0.02
  done
  echo "cluster.sh: a hub does not start: $(tail -n 3 "$folder/hub.err")" >&2
  return 1
}

# The seconds that a process's threads have run.
ran() { awk '{ sum += $1 } END { printf "%.6f", sum / 1e9 }' /proc/"$1"/task/*/schedstat; }

failed=0
measure() { # ROUND CASE MODE NODES
  local ports=() options=() hubs=() node line status load redis_before=0 redis_after=0 hubs_before=0 hubs_after=0
  redis_pid=
  if [ "$3" != local ]; then
    start_redis || return 1
    options=(--redis "redis://127.0.0.1:$redis_port" --cluster-mode "$3")
  fi
  for ((node = 1; node <= $4; ++node)); do
    start_hub "${options[@]}" || return 1
    ports+=(--port "$port")
    hubs+=("$pid")
  done
  if [ -n "$redis_pid" ]; then
    ask config resetstat >/dev/null
    redis_before=$(ran "$redis_pid")
  fi
  for pid in "${hubs[@]}"; do hubs_before=$(echo "$hubs_before $(ran "$pid")" | awk '{ print $1 + $2 }'); done
  case $2 in
    unicast) load="--mode unicast --publishers 16" ;;
    fanout) load="--mode fanout --publishers 16" ;;
  esac
  local begun=$EPOCHREALTIME ended
  # shellcheck disable=SC2086
  line=$("$build/benchmarks/load" $load --streams 300 --seconds "$seconds" --format line "${ports[@]}")
  ended=$EPOCHREALTIME
  for pid in "${hubs[@]}"; do hubs_after=$(echo "$hubs_after $(ran "$pid")" | awk '{ print $1 + $2 }'); done
  [ -z "$redis_pid" ] || redis_after=$(ran "$redis_pid")
  # Only in durable mode have the events of several publishers one order on all nodes: `load` tells, and it is no fault.
  status=$(echo "$line" | tr ' ' '\n' | awk -F= '
    /^(missing|doubled|out_of_order|streams_ended|gaps_told|foreign)=/ { bad += $2 } /^received=/ { received = $2 }
    END { print (received > 0 ? bad + 0 : 1) }')
  [ "$status" = 0 ] || { failed=1; echo "cluster.sh: $2 $3 $4: $line" >&2; }
  local commands=-
  if [ -n "$redis_pid" ]; then
    # With what `load` publishes before it measures: three for each user, or three in all, and eight to begin with.
    local events
    events=$(echo "$line" | tr ' ' '\n' | awk -F= -v before=$([ "$2" = unicast ] && echo 908 || echo 11) '
      /^publications=/ { print $2 + before }')
    commands=$(ask info commandstats | tr -d '\r' | awk -F'[:=,]' -v events="$events" '
      /^cmdstat_/ && $3 / events >= 0.05 { sub("cmdstat_", "", $1); sub(".*[|]", "", $1); print $1 ":" sprintf("%.2f", $3 / events) }
      ' | sort | paste -sd,)
  fi
  echo "round=$1 case=$2 cluster=$3 nodes=$4 begun=$begun ended=$ended redis_from=$redis_before redis_to=$redis_after" \
    "hubs_from=$hubs_before hubs_to=$hubs_after commands=${commands:--} $line" >>"$folder/results"
  stop_all
}

: >"$folder/results"
for ((round = 1; round <= rounds; ++round)); do
  for case in $cases; do
    measure "$round" "$case" local 1 || exit 2
    for mode in $modes; do
      for nodes in $counts; do
        measure "$round" "$case" "$mode" "$nodes" || exit 2
      done
    done
  done
done

awk -f "$here/median.awk" -f "$here/cluster_table.awk" "$folder/results"
exit $failed
