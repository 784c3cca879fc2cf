#!/usr/bin/env bash
# Runs the subjects in turn, pinned apart from the client, and prints medians and ratios to the floor of the same rounds.
#
#   benchmarks/run.sh --quick
#   benchmarks/run.sh --cases "pace_1k burst_1k" --subjects "hub beast"
#
# Exit status 1 when an event was missing, doubled or out of order, or a stream ended, at any subject of ours.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")

usage() {
  cat <<'TEXT'
run.sh [options]
  --quick            one round of the main cases, shorter
  --cases "A B"      these cases only (--list names them)
  --subjects "A B"   these subjects beside the floors (hub nchan better_sse beast node_http2; also: bare)
  --rounds N         rounds, interleaved (3; quick: 1)
  --build DIR        build tree (build-benchmarks beside this folder); configured and built when it lacks a program
  --no-build         take the build tree as it is
  --results FILE     where every run's figures go, one a line (results.txt in the build tree)
  --append           adds to that file, so that a run can be made in parts
  --nice N           niceness of server and client, where allowed (0)
  --list             lists the cases

Ratios are within rounds: each subject against the case's floor, or another case, of the same round. `core us` is what the whole
core was busy for a delivery, whoever used it: where it is far above `cpu us`, others were at work on it. A client near
100 % is the limit itself.
TEXT
}

. "$here/cases.sh"
. "$here/subjects.sh"
. "$here/priority.sh"

arguments=("$@")
quick= cases= subjects= rounds= append= build=$root/build-benchmarks make=1 results= niceness=0
server_cpus=0 client_cpus=1
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    --cases) cases=$2; shift ;;
    --subjects) subjects=$2; shift ;;
    --rounds) rounds=$2; shift ;;
    --build) build=$2; shift ;;
    --no-build) make= ;;
    --results) results=$2; shift ;;
    --append) append=1 ;;
    --nice) niceness=$2; shift ;;
    --list) echo "$CASES"; exit 0 ;;
    --help) usage; exit 0 ;;
    *) echo "run.sh: unknown option \"$1\"" >&2; exit 2 ;;
  esac
  shift
done
# A peer may be started from another folder.
build=$(mkdir -p "$build" && cd "$build" && pwd) || exit 2
[ "$(nproc)" -ge 2 ] || { echo "run.sh: two processors are needed, one for the server" >&2; exit 2; }
: "${rounds:=$([ -n "$quick" ] && echo 1 || echo 3)}"

if [ -n "$make" ]; then
  generator=
  command -v ninja >/dev/null && generator='-G Ninja'
  launcher=
  command -v ccache >/dev/null && launcher=-DCMAKE_CXX_COMPILER_LAUNCHER=ccache
  [ -d /usr/include/boost/beast ] || install_packages libboost-dev >&2
  [ -d /usr/include/openssl ] && [ -d /usr/include/nghttp2 ] || install_packages libssl-dev libnghttp2-dev >&2
  # shellcheck disable=SC2086
  [ -f "$build/CMakeCache.txt" ] || cmake -S "$root" -B "$build" $generator $launcher -DCMAKE_BUILD_TYPE=Release \
    -DSPATE_BUILD_TESTS=OFF -DSPATE_BUILD_EXAMPLES=ON -DSPATE_BUILD_BENCHMARKS=ON >&2 || exit 2
  for target in floor floor_tls floor_http2 load beast_server bare hub; do
    cmake --build "$build" --target $target >&2 || echo "run.sh: no $target in this build" >&2
  done
fi
[ -x "$build/benchmarks/load" ] || { echo "run.sh: no load in $build/benchmarks" >&2; exit 2; }
: "${results:=$build/results.txt}"
[ -n "$append" ] || : > "$results"
take_priority "$niceness" "$0" "${arguments[@]}"
ulimit -n "$(ulimit -Hn)"

ready=
for subject in $FLOORS ${subjects:-hub $PEERS}; do
  if prepare "$subject"; then ready="$ready $subject"; else echo "run.sh: $subject is not to be had" >&2; fi
done
trap 'stop; exit 130' INT TERM

selected=${cases:-$([ -n "$quick" ] && echo "$QUICK_CASES" || echo "$CASES" | awk -F'|' 'NF>1 {print $1}')}
wrong=0
for case in $selected; do
  options=$(case_options "$case") || { echo "run.sh: unknown case \"$case\"" >&2; exit 2; }
  class=$(echo "$CASES" | awk -F'|' -v c="$case" '{gsub(/ /, "", $1); gsub(/ /, "", $3)} $1 == c {print $3}')
  own_rounds=$(echo "$CASES" | awk -F'|' -v c="$case" '{gsub(/ /, "", $1); gsub(/ /, "", $4)} $1 == c {print $4}')
  for round in $(seq "${own_rounds:-$rounds}"); do
    for subject in $ready; do
      takes_part "$subject" "$class" || continue
      start "$subject" "$case" || { wrong=1; continue; }
      # shellcheck disable=SC2046,SC2086
      line=$(timeout 300 taskset -c "$client_cpus" "$build/benchmarks/load" --format line --port "$server_port" \
        --server-pid "$server_pid" --server-core "$server_cpus" $options $(addresses "$subject" "$case") 2>&1)
      status=$?
      stop
      echo "case=$case subject=$subject round=$round status=$status $line" >> "$results"
      if [ $status != 0 ]; then
        echo "run.sh: $case, $subject, round $round: status $status" >&2
        case " $OWN_SUBJECTS " in *" $subject "*) wrong=1 ;; esac
      fi
    done
  done
  awk -v only="$case" -v figure="$(case_figure "$case")" -v floor="$(case_floor "$case")" -f "$here/median.awk" -f "$here/table.awk" "$results"
done
for subject in $ready; do
  case $subject in hub|bare) awk -v subject="$subject" -f "$here/median.awk" -f "$here/bars.awk" "$results" ;; esac
done
exit $wrong
