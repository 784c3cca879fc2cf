#!/usr/bin/env bash
# Tests the yardstick: `load` must tell every fault that a floor makes on purpose, and none when it makes none.
#   benchmarks/self_test.sh BUILD
set -u
build=${1:?the build tree}/benchmarks
passed=0 failed=0

check() { # WHAT CONDITION...
  if "${@:2}"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $1 ($floor $protocol): $line"
  fi
}

# Runs load, with what $protocol has, against $floor with the options FAULTS; leaves its figures in $line, its status in
# $status.
measure() { # FAULTS LOAD-OPTIONS...
  local out=$build/self_test.out
  # shellcheck disable=SC2086
  : > "$out"
  "$build"/$floor --port 0 $1 >> "$out" &
  local pid=$!
  for _ in $(seq 100); do grep -q listening "$out" && break; sleep 0.02; done
  line=$(timeout 60 "$build/load" --port "$(sed 's/.*://' "$out")" --server-pid $pid --format line --warm-up 0 --grace 2 \
    $protocol "${@:2}" 2>&1)
  status=$?
  kill $pid
  wait $pid 2>/dev/null
}
figure() { echo "$line" | tr ' ' '\n' | sed -n "s/^$1=//p"; }
is() { [ "$(figure "$1")" = "$2" ]; }

"$build/load" --self-test || failed=$((failed + 1))

fanout="--mode fanout --streams 50 --events 200 --seconds 0"

# Every fault of the floor and the protocol at hand.
# shellcheck disable=SC2086
faults() { # SPLITS
  measure "" $fanout
  check "10,000 deliveries, all there" is received 10000
  check "nothing wrong" [ $status = 0 ]
  measure "--drop-every 1000" $fanout
  check "ten dropped are ten missing" is missing 10
  check "and nothing else" [ "$(figure doubled) $(figure out_of_order)" = "0 0" ]
  check "and the status says so" [ $status = 1 ]
  measure "--double-every 1000" $fanout
  check "ten sent twice are ten doubled" is doubled 10
  check "and the status says so" [ $status = 1 ]
  measure "--swap-every 1000" $fanout
  check "ten swapped are ten out of order" is out_of_order 10
  check "and none missing" is missing 0
  check "and their streams saw another order" [ "$(figure orders)" -gt 1 ]
  check "and the status says so" [ $status = 1 ]
  for split in $1; do
    measure "--split $split" $fanout
    check "events in pieces of $split bytes are whole" [ "$(figure received) $status" = "10000 0" ]
  done
  for mode in unicast group; do
    measure "" --mode $mode --streams 500 --publishers 4 --events 2000 --seconds 0
    check "$mode: all there" [ "$(figure missing) $(figure doubled) $status" = "0 0 0" ]
    measure "--drop-every 100" --mode $mode --streams 500 --publishers 4 --events 2000 --seconds 0
    check "$mode: each Nth is missing" is missing $(($(figure expected) / 100))
  done
  measure "--max-pending 1000000000" --mode fanout --streams 10 --stalled 1 --size 60000 --events 200 --seconds 0
  check "a stream that is never read hurts no other" [ "$(figure received) $(figure streams_ended) $status" = "2000 0 0" ]
  measure "" --mode churn --streams 8 --events 500 --seconds 0
  check "churn: every connection had its head" [ "$(figure connections) $status" = "500 0" ]
}

floor=floor protocol=
faults "1 7 100"
measure "--history" --mode replay --streams 100 --listeners 10 --owed 200
check "replay: all there" [ "$(figure missing) $(figure doubled) $status" = "0 0 0" ]
measure "" --mode replay --streams 100 --listeners 10 --owed 200
check "replay: a server without history is missing all of it" [ "$(figure missing)" -ge 20000 ]

if [ -x "$build/floor_tls" ]; then
  floor=floor_tls protocol=--tls
  faults "7 100"
  measure "--keep-buffers" $fanout
  check "with buffers kept all there" [ "$(figure received) $status" = "10000 0" ]
  measure "" --mode churn --streams 8 --events 500 --seconds 0
  check "new sessions are new" is resumed 0
  measure "" --mode churn --resume --streams 8 --events 500 --seconds 0
  check "all are resumed but the first of each slot" [ "$(figure resumed) $status" = "492 0" ]
  check "and each of them is given a new ticket" is renewed 492
  measure "--no-tickets" --mode churn --resume --streams 8 --events 500 --seconds 0
  check "a server that gives no tickets is found out" [ "$(figure resumed) $status" = "0 1" ]
  protocol="--tls --http2"
  measure "" $fanout
  check "a server without HTTP/2 is found out" [ $status = 3 ]
else
  echo "no floor_tls in this build: TLS is not tested"
fi

if [ -x "$build/floor_http2" ]; then
  floor=floor_http2
  for share in 1 7 100; do
    protocol="--tls --http2 --streams-per-connection $share"
    faults "7 100"
  done
  floor="floor_http2 --plain" protocol=--http2
  faults "7 100"
else
  echo "no floor_http2 in this build: HTTP/2 is not tested"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
