# The cases, one a line, and how each is driven. Sourced by run.sh and profile.sh.
#
#   name            what is measured                                              subjects        rounds
CASES='
pace_1k         | fan-out to 1,000, 50 a second: no two events share a write    | all             |
pace_10k        | fan-out to 10,000, 5 a second                                 | all             |
burst_1k        | fan-out to 1,000 at full speed, one publisher                 | all             |
burst_10k       | fan-out to 10,000 at full speed, one publisher                | all             |
burst_1k_16     | fan-out to 1,000 at full speed, sixteen publishers            | own             |
burst_10k_16    | fan-out to 10,000 at full speed, sixteen publishers           | own             |
at_8x_1k        | fan-out to 1,000 at 8 times the rate that floor reached in burst_1k | spate        |
at_12x_10k      | fan-out to 10,000 at 12 times that of burst_10k               | spate           |
at_8x_1k_16     | fan-out to 1,000 at 8 times that of burst_1k_16, sixteen publishers | spate     |
latency_1k      | fan-out to 1,000, 20 a second                                 | all             |
unicast_1k      | one user in turn of 1,000, 8 in flight                        | all             |
unicast_18k     | one user in turn of 1,000 among 18,000, 8 in flight           | own             |
broadcast_100   | fan-out to 100, 200 a second                                  | own             |
group_18k       | a group of 100 among 18,000 users, 200 a second               | own             |
idle_10k        | 10,000 streams, nothing published: memory                     | all             |
heartbeat_10k   | 10,000 streams over two heartbeats of 15 s: processor         | spate           | 1
churn           | connect, subscribe, close, 64 at a time                       | all             |
churn_million   | the same a million times: memory                              | spate           | 1
replay_10k      | 10,000 return at once, owed 1,000 events each, live meanwhile | history         |
stalled_none    | fan-out of 4 KiB to 1,000, 20 a second                        | own             |
stalled_one     | the same, and one more that never reads                       | own             |
threads_2       | burst_1k with two threads (compare with burst_1k)             | spate           |
threads_2_pace  | pace_1k with two threads (compare with pace_1k)               | spate           |
scale_5k        | fan-out to 5,000, 4 a second                                  | own             |
scale_19k       | fan-out to 19,000, 1 a second                                 | own             |
tls_pace_1k     | pace_1k over TLS                                              | tls             |
tls_idle_1k     | 1,000 streams over TLS, nothing published: memory             | tls             |
tls_handshakes  | churn over TLS, every session new                             | tls             |
tls_handshakes_resumed | churn over TLS, every session resumed                  | tls             |
h2_pace_1k      | pace_1k over HTTP/2 and TLS, 100 streams a connection         | http2           |
h2_pace_1k_alone | the same, each stream alone on its connection                | http2           |
h2_idle_10k     | 10,000 streams over HTTP/2 and TLS, 100 a connection: memory  | http2           |
h2_idle_1k_alone | 1,000 streams, each alone on its connection: memory          | http2           |
h2c_pace_1k     | h2_pace_1k without TLS                                        | http2           |
'

# Those that a quick run has.
QUICK_CASES='pace_1k burst_1k burst_10k at_8x_1k latency_1k unicast_1k broadcast_100 group_18k idle_10k churn replay_10k
  tls_pace_1k tls_idle_1k tls_handshakes h2_pace_1k h2_idle_10k'

# The options of `load` for a case; with `quick` set, shorter.
case_options() {
  local long=3 short=2
  [ -n "${quick:-}" ] && long=2 short=1
  case $1 in
    pace_1k)       echo "--mode fanout --streams 1000 --rate 50 --seconds $long" ;;
    pace_10k)      echo "--mode fanout --streams 10000 --rate 5 --seconds $long" ;;
    burst_1k)      echo "--mode fanout --streams 1000 --seconds $short" ;;
    burst_10k)     echo "--mode fanout --streams 10000 --seconds $((short + 1))" ;;
    burst_1k_16)   echo "--mode fanout --streams 1000 --publishers 16 --seconds $short" ;;
    burst_10k_16)  echo "--mode fanout --streams 10000 --publishers 16 --seconds $((short + 1))" ;;
    at_8x_1k)      echo "--mode fanout --streams 1000 --publishers 2 --rate $(floor_rate 8 burst_1k) --seconds $short" ;;
    at_12x_10k)    echo "--mode fanout --streams 10000 --publishers 2 --rate $(floor_rate 12 burst_10k) --seconds $((short + 1))" ;;
    at_8x_1k_16)   echo "--mode fanout --streams 1000 --publishers 16 --rate $(floor_rate 8 burst_1k_16) --seconds $short" ;;
    latency_1k)    echo "--mode fanout --streams 1000 --rate 20 --seconds $long" ;;
    unicast_1k)    echo "--mode unicast --streams 1000 --publishers 8 --seconds $short" ;;
    unicast_18k)   echo "--mode unicast --streams 18000 --targets 1000 --publishers 8 --seconds $short" ;;
    broadcast_100) echo "--mode fanout --streams 100 --rate 200 --seconds $short" ;;
    group_18k)     echo "--mode group --streams 18000 --group-size 100 --targets 1 --rate 200 --seconds $short" ;;
    idle_10k)      echo "--mode idle --streams 10000 --seconds 1" ;;
    heartbeat_10k) echo "--mode idle --streams 10000 --seconds 30" ;;
    churn)         echo "--mode churn --streams 64 --seconds $short" ;;
    churn_million) echo "--mode churn --streams 64 --seconds 0 --events 1000000" ;;
    replay_10k)    echo "--mode replay --streams $([ -n "${quick:-}" ] && echo 2000 || echo 10000) --owed 1000 --rate 5 --parallel 2000" ;;
    stalled_none)  echo "--mode fanout --streams 1000 --size 4096 --rate 20 --seconds $((long + 2))" ;;
    stalled_one)   echo "--mode fanout --streams 1000 --size 4096 --rate 20 --seconds $((long + 2)) --stalled 1" ;;
    threads_2)     echo "--mode fanout --streams 1000 --seconds $short" ;;
    threads_2_pace) echo "--mode fanout --streams 1000 --rate 50 --seconds $long" ;;
    scale_5k)      echo "--mode fanout --streams 5000 --rate 4 --seconds $long" ;;
    scale_19k)     echo "--mode fanout --streams 19000 --rate 1 --seconds $long" ;;
    tls_pace_1k)   echo "--tls $(case_options pace_1k)" ;;
    # Eight at a time: what handshakes side by side leave between streams in the heap is not to be the figure.
    tls_idle_1k)   echo "--tls --mode idle --streams 1000 --parallel 8 --seconds 1" ;;
    tls_handshakes) echo "--tls $(case_options churn)" ;;
    tls_handshakes_resumed) echo "--tls --resume $(case_options churn)" ;;
    h2_pace_1k)    echo "--tls --http2 $(case_options pace_1k)" ;;
    h2_pace_1k_alone) echo "--tls --http2 --streams-per-connection 1 $(case_options pace_1k)" ;;
    h2_idle_10k)   echo "--tls --http2 $(case_options idle_10k)" ;;
    h2_idle_1k_alone) echo "--http2 --streams-per-connection 1 $(case_options tls_idle_1k)" ;;
    h2c_pace_1k)   echo "--http2 $(case_options pace_1k)" ;;
    *) return 1 ;;
  esac
}

# The floor that a case is set against: the one that speaks what the case does.
case_floor() {
  case $1 in
    tls_*) echo floor_tls ;;
    h2_*|h2c_*) echo floor_http2 ;;
    *) echo floor ;;
  esac
}

# So many times the events a second, in the median, that floor published in CASE of this run.
floor_rate() { # TIMES CASE
  sed -n "s/^case=$2 subject=floor .*publications_per_second=\([0-9.]*\).*/\1/p" "$results" | sort -n |
    awk -v times="$1" '{ rate[NR] = $1 } END { print NR == 0 ? 100 : rate[int((NR + 1) / 2)] * times }'
}

# What a case asks of a server beyond its defaults.
case_server_options() { # SUBJECT CASE
  case $1:$2 in
    floor:replay_10k) echo "--history" ;;
    floor:stalled_*) echo "--max-pending 262144" ;;
    hub:stalled_*) echo "--max-queued-bytes 262144" ;;
    hub:threads_2*) echo "--threads 2" ;;
    bare:threads_2*) echo "--threads 2" ;;
    hub:tls_*|hub:h2_*) echo "--tls-self-signed" ;;
    floor_tls_kept:*) echo "--keep-buffers" ;;
    floor_http2:h2c_*|node_http2:h2c_*) echo "--plain" ;;
    node_http2:tls_*) echo "--http1" ;;
  esac
}

# Which figure of a case is set against its floor's; for rates more is better, for the rest less.
case_figure() {
  case $1 in
    burst_*|threads_2) echo deliveries_per_second ;;
    latency_1k|stalled_*|at_*) echo latency_p99_us ;;
    idle_10k|tls_idle_1k|h2_idle_*) echo rss_per_stream ;;
    heartbeat_10k) echo server_cpu_percent ;;
    churn) echo connections_per_second ;;
    churn_million) echo rss_growth_kib ;;
    *) echo server_cpu_us ;;
  esac
}
