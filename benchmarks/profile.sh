#!/usr/bin/env bash
# Where a subject's time goes in one case: system calls for each delivery, top entries of the profile, instructions.
#
#   benchmarks/profile.sh hub pace_1k               system calls and profile, by perf
#   benchmarks/profile.sh hub burst_1k --callgrind  instructions in user space for each delivery, by valgrind
#   benchmarks/profile.sh hub threads_2 --locks     mutexes locked, and waited for, for each delivery
#
# Figures taken under perf are for shares and counts; times come from run.sh.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cases.sh"
. "$here/subjects.sh"
subject=${1:?a subject} case=${2:?a case}
shift 2
build=$(dirname "$here")/build-benchmarks callgrind= locks= limit=1
server_cpus=0 client_cpus=1
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=$2; shift ;;
    --callgrind) callgrind=1 ;;
    --locks) locks=1 ;;
    --limit) limit=$2; shift ;;
    *) echo "profile.sh: unknown option \"$1\"" >&2; exit 2 ;;
  esac
  shift
done
ulimit -n "$(ulimit -Hn)"
prepare "$subject" || { echo "profile.sh: $subject is not to be had" >&2; exit 2; }
work=$(mktemp -d)
trap 'stop; rm -rf "$work"' EXIT

load() {
  # shellcheck disable=SC2046
  taskset -c "$client_cpus" "$build/benchmarks/load" --format line --port "$server_port" --server-pid "$server_pid" \
    --server-core "$server_cpus" "$@" $(addresses "$subject" "$case")
}
figure() { tr ' ' '\n' < "$1" | sed -n "s/^$2=//p"; }

if [ -n "$callgrind" ]; then
  # Two runs that differ in the number of events only: what they differ in is the cost of deliveries.
  for events in 100 300; do
    wrapper="valgrind --tool=callgrind --callgrind-out-file=$work/$events.out"
    start "$subject" "$case" || exit 1
    # shellcheck disable=SC2046
    load $(case_options "$case") --seconds 0 --events $events --streams 200 --grace 30 > "$work/$events" || exit 1
    stop
    sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$work/$events.out" | head -1 > "$work/$events.instructions"
  done
  deliveries=$(($(figure "$work/300" received) - $(figure "$work/100" received)))
  instructions=$(($(cat "$work/300.instructions") - $(cat "$work/100.instructions")))
  echo "$subject, $case with 200 streams: $((instructions / deliveries)) instructions in user space for each delivery"
  exit
fi

if [ -n "$locks" ]; then
  cmake --build "$build" --target lock_counter >&2 || exit 2
  wrapper="env LD_PRELOAD=$build/benchmarks/liblock_counter.so"
  for seconds in 1 3; do
    start "$subject" "$case" || exit 1
    # shellcheck disable=SC2046
    load $(case_options "$case") --seconds $seconds > "$work/$seconds" || exit 1
    stop
    cp "$build/benchmarks/$subject.out.err" "$work/$seconds.out"
  done
  grown() { echo $(($(figure "$work/3$1" "$2") - $(figure "$work/1$1" "$2"))); }
  echo "$subject, $case, of the deliveries and locks by which three seconds differ from one:"
  awk -v deliveries="$(grown "" received)" -v locked="$(grown .out locked)" -v contended="$(grown .out contended)" \
    'BEGIN { printf "%d deliveries, %d locks (%.4f each), waited for %d times (%.6f each)\n",
      deliveries, locked, locked / deliveries, contended, contended / deliveries }'
  exit
fi

start "$subject" "$case" || exit 1
# shellcheck disable=SC2046
load $(case_options "$case") --seconds 8 > "$work/load" &
load_pid=$!
sleep 2.5
pids=$(pgrep -P "$server_pid" | paste -sd, -)
pids=$server_pid${pids:+,$pids}
calls='sendto sendmsg sendmmsg write writev recvfrom recvmsg read readv epoll_wait epoll_pwait epoll_pwait2 epoll_ctl futex
 timerfd_settime accept4 accept close mmap munmap madvise brk'
events=raw_syscalls:sys_enter
for call in $calls; do events=$events,syscalls:sys_enter_$call; done
perf stat -x, -e "$events" -p "$pids" -o "$work/stat" -- sleep 1 || exit 1
perf record -q -F 1999 -p "$pids" -o "$work/data" -- sleep 2 || exit 1
wait "$load_pid"
rate=$(figure "$work/load" deliveries_per_second)
echo "$subject, $case: $rate deliveries a second, of which in one second of system calls, for each delivery:"
awk -F, -v rate="$rate" '$1 > 0 {
  name = $3; sub(/.*sys_enter_?/, "", name); printf "  %-16s %9d %9.4f\n", name == "" ? "all" : name, $1, $1 / rate }' "$work/stat"
echo "profile, from $limit % on:"
perf report -i "$work/data" --stdio --no-children --percent-limit "$limit" --sort dso,symbol 2>/dev/null |
  sed -n '/^ *[0-9]/{s/ *- *- *$//; s/   */  /g; p}' | cut -c1-120 | head -40
