# Sourced by run.sh and cluster.sh.

# take_priority N SCRIPT ARGUMENT... gives the calling script and what it starts the niceness N, where allowed; for that
# it begins once more, as SCRIPT with these arguments. 0 changes nothing.
take_priority() {
  [ "$1" != 0 ] || return 0
  # Where the kernel schedules sessions against each other, the niceness of a process counts within its session only.
  [ -n "${SPATE_BENCHMARK_SESSION:-}" ] || SPATE_BENCHMARK_SESSION=1 exec setsid --wait "${@:2}"
  renice -n "$1" -p $$ >/dev/null 2>&1
  echo "$1" 2>/dev/null > /proc/self/autogroup
}
