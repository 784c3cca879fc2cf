#!/usr/bin/env bash
# A hub that cannot have what it needs to start says so in a line and exits with 1; what it can do without it does
# without.
#
#   hub_start.sh HUB FAILING_CALLS_LIBRARY
set -euo pipefail
hub=$1 library=$2
scratch=$(mktemp -d)
pid=""
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true; rm -rf "$scratch"' EXIT

fail() {
  echo "$spec: $*" >&2
  cat "$scratch/out" "$scratch/err" >&2
  exit 1
}

# try CALL:ERRNO:SKIP EXPECTED where EXPECTED is `refuses` or `serves`. Without such a call the hub serves, too.
try() {
  spec=$1
  : >"$scratch/out"
  SPATE_FAULT=$spec LD_PRELOAD=$library "$hub" --port 0 >"$scratch/out" 2>"$scratch/err" &
  pid=$!
  local url="" ended="" status=0
  for _ in $(seq 2000); do
    url=$(sed -n 's/^listening on //p' "$scratch/out")
    [ -z "$url" ] || break
    kill -0 "$pid" 2>/dev/null || { ended=yes; break; }
    sleep 0.01
  done
  if [ -n "$url" ]; then
    [ "$(curl -s --max-time 20 "$url/healthz")" = ok ] || fail "it listens, but does not answer"
    kill -TERM "$pid"
    wait "$pid" || fail "it does not stop in peace: $?"
    result=serves
  else
    [ -n "$ended" ] || fail "it hangs"
    wait "$pid" || status=$?
    [ "$status" -eq 1 ] || fail "it exits with $status"
    [ "$(wc -l <"$scratch/err")" -eq 1 ] && grep -q '^hub: ' "$scratch/err" || fail "it does not say why in one line"
    result=refuses
  fi
  pid=""
  echo "$spec $result $(cat "$scratch/err")"
  [ "$result" = "$2" ] || fail "expected that it $2"
  tried=$((tried + 1))
}

tried=0
EMFILE=24 ENFILE=23 ENOMEM=12 EADDRINUSE=98 ENOBUFS=105 EACCES=13
for error in $EMFILE $ENFILE $ENOMEM; do
  try epoll_create1:$error:0 refuses
  try epoll_create1:$error:1 refuses
  try eventfd:$error:0 serves         # a pipe does it as well
  try timerfd_create:$error:0 serves  # and so do time-outs
done
for error in $EMFILE $ENOBUFS $ENOMEM; do try socket:$error:0 refuses; done
for error in $EADDRINUSE $EACCES; do try bind:$error:0 refuses; done
try listen:$EADDRINUSE:0 refuses
try setsockopt:$ENOMEM:0 refuses
try setsockopt:$ENOBUFS:1 serves  # small packets may wait a little, nothing more
try getsockname:$ENOBUFS:0 refuses
try close:5:0:1000 serves
echo "$tried cases as expected"
