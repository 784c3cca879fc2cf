# What must be reached, and what was: one line for each bar whose cases the run had.
#   awk -v subject=hub -f median.awk -f bars.awk results.txt
# The median over the rounds of one figure, or of its ratio to another subject's, or another case's, of the same round.
function of(who, what, name,   i, n, list) {
  n = 0
  for (i = 1; i <= rounds; ++i) if ((who, what, i, name) in value) list[++n] = value[who, what, i, name]
  return median(list, n)
}
function ratio(who, what, name, base, base_case,   i, n, list) {
  if (base_case == "") base_case = what
  n = 0
  for (i = 1; i <= rounds; ++i)
    if ((who, what, i, name) in value && value[base, base_case, i, name] + 0 != 0)
      list[++n] = value[who, what, i, name] / value[base, base_case, i, name]
  return median(list, n)
}
# The same, to the lower figure of two subjects.
function ratio_to_lower(who, what, name, one, other,   i, n, list, a, b) {
  n = 0
  for (i = 1; i <= rounds; ++i) {
    a = value[one, what, i, name] + 0
    b = value[other, what, i, name] + 0
    if (b != 0 && b < a) a = b
    if ((who, what, i, name) in value && a != 0) list[++n] = value[who, what, i, name] / a
  }
  return median(list, n)
}
function most(number, text, got, bar) { line(number, text, got, "<= " bar, got + 0 <= bar) }
function least(number, text, got, bar) { line(number, text, got, ">= " bar, got + 0 >= bar) }
function line(number, text, got, bar, reached) {
  if (got == "") return
  if (!headed++) printf "\n%-3s %-66s %10s %9s\n", "bar", subject, "measured", "wanted"
  printf "%-3s %-66s %10.3f %9s  %s\n", number, text, got, bar, reached ? "" : "MISSED"
}
{
  delete field
  for (i = 1; i <= NF; ++i) {
    at = index($i, "=")
    if (at > 0) field[substr($i, 1, at - 1)] = substr($i, at + 1)
  }
  if (field["round"] > rounds) rounds = field["round"]
  if (field["subject"] !~ /^floor/) subjects[field["subject"]] = 1
  for (name in field) value[field["subject"], field["case"], field["round"], name] = field[name]
}
END {
  cpu = "server_cpu_us"; rate = "deliveries_per_second"; p99 = "latency_p99_us"; s = subject
  most(1, "pace_1k: CPU per delivery to floor", ratio(s, "pace_1k", cpu, "floor"), 1.10)
  most(1, "pace_10k: CPU per delivery to floor", ratio(s, "pace_10k", cpu, "floor"), 1.10)
  least(2, "burst_1k: deliveries a second to floor", ratio(s, "burst_1k", rate, "floor"), 8)
  least(2, "burst_10k: deliveries a second to floor", ratio(s, "burst_10k", rate, "floor"), 12)
  least(2, "burst_1k_16: deliveries a second to floor", ratio(s, "burst_1k_16", rate, "floor"), 8)
  least(2, "burst_10k_16: deliveries a second to floor", ratio(s, "burst_10k_16", rate, "floor"), 8)
  most(2, "at_8x_1k: p99 to floor's in burst_1k", ratio(s, "at_8x_1k", p99, "floor", "burst_1k"), 1)
  most(2, "at_12x_10k: p99 to floor's in burst_10k", ratio(s, "at_12x_10k", p99, "floor", "burst_10k"), 1)
  most(2, "at_8x_1k_16: p99 to floor's in burst_1k_16", ratio(s, "at_8x_1k_16", p99, "floor", "burst_1k_16"), 1)
  most(3, "latency_1k: p99 to floor", ratio(s, "latency_1k", p99, "floor"), 1.15)
  most(4, "unicast_1k: CPU per delivery to floor", ratio(s, "unicast_1k", cpu, "floor"), 1.4)
  most(4, "unicast_18k: CPU per delivery to its own unicast_1k", ratio(s, "unicast_18k", cpu, s, "unicast_1k"), 1.1)
  most(5, "group_18k: CPU per delivery to its own broadcast_100", ratio(s, "group_18k", cpu, s, "broadcast_100"), 1.3)
  most(6, "idle_10k: resident bytes per stream", of(s, "idle_10k", "rss_per_stream"), 512)
  most(6, "heartbeat_10k: the same after two heartbeats", of(s, "heartbeat_10k", "rss_per_stream_after"), 512)
  most(7, "heartbeat_10k: percent of a core", of(s, "heartbeat_10k", "server_cpu_percent"), 1)
  least(8, "churn: connections a second to floor", ratio(s, "churn", "connections_per_second", "floor"), 0.75)
  most(8, "churn: CPU per connection to floor", ratio(s, "churn", cpu, "floor"), 1 / 0.75)
  most(8, "churn_million: growth in KiB", of(s, "churn_million", "rss_growth_kib"), 256)
  most(9, "replay_10k: CPU per delivery to floor", ratio(s, "replay_10k", cpu, "floor"), 1.3)
  most(9, "replay_10k: p99 of live deliveries meanwhile to floor", ratio(s, "replay_10k", p99, "floor"), 2)
  most(10, "stalled_one: the others' p99 to stalled_none", ratio(s, "stalled_one", p99, s, "stalled_none"), 1.1)
  most(11, "threads_2_pace: CPU per delivery to pace_1k", ratio(s, "threads_2_pace", cpu, s, "pace_1k"), 1.1)
  most(12, "scale_5k: CPU per delivery to latency_1k", ratio(s, "scale_5k", cpu, s, "latency_1k"), 1.1)
  most(12, "scale_19k: CPU per delivery to latency_1k", ratio(s, "scale_19k", cpu, s, "latency_1k"), 1.1)
  most(12, "scale_19k: the same of floor, for comparison", ratio("floor", "scale_19k", cpu, "floor", "latency_1k"), 1.1)
  most(12, "scale_5k: bytes per stream to idle_10k", ratio(s, "scale_5k", "rss_per_stream", s, "idle_10k"), 1.1)
  most(12, "scale_19k: bytes per stream to idle_10k", ratio(s, "scale_19k", "rss_per_stream", s, "idle_10k"), 1.1)
  most(15, "tls_idle_1k: resident bytes per stream to floor_tls", ratio(s, "tls_idle_1k", "rss_per_stream", "floor_tls"), 1.05)
  most(15, "tls_pace_1k: CPU per delivery to the better floor of TLS", ratio_to_lower(s, "tls_pace_1k", cpu, "floor_tls", "floor_tls_kept"), 1.05)
  most(16, "h2_idle_10k: resident bytes per stream", of(s, "h2_idle_10k", "rss_per_stream"), 1200)
  most(16, "h2_pace_1k: CPU per delivery to floor_http2", ratio(s, "h2_pace_1k", cpu, "floor_http2"), 1.3)
  most(16, "h2_pace_1k: CPU per delivery to its own pace_1k", ratio(s, "h2_pace_1k", cpu, s, "pace_1k"), 1 / 6)
  most(17, "h2_idle_1k_alone: resident bytes per stream", of(s, "h2_idle_1k_alone", "rss_per_stream"), 41000)
  split("tls_handshakes tls_handshakes_resumed", handshakes, " ")
  for (i = 1; i in handshakes; ++i) {
    least(18, handshakes[i] ": a second to floor_tls", ratio(s, handshakes[i], "connections_per_second", "floor_tls"), 0.95)
    most(18, handshakes[i] ": CPU for each to floor_tls", ratio(s, handshakes[i], cpu, "floor_tls"), 1 / 0.95)
  }
  split("tls_pace_1k h2_pace_1k h2_pace_1k_alone h2c_pace_1k", paces, " ")
  split("tls_idle_1k h2_idle_10k h2_idle_1k_alone", idles, " ")
  for (peer in subjects) {
    if (peer == "hub" || peer == "bare" || peer == s) continue
    most(14, "pace_1k: CPU per delivery to " peer, ratio(s, "pace_1k", cpu, peer), 1)
    most(14, "pace_10k: CPU per delivery to " peer, ratio(s, "pace_10k", cpu, peer), 1)
    least(14, "burst_1k: deliveries a second to " peer, ratio(s, "burst_1k", rate, peer), 1)
    least(14, "burst_10k: deliveries a second to " peer, ratio(s, "burst_10k", rate, peer), 1)
    most(14, "latency_1k: p99 to " peer, ratio(s, "latency_1k", p99, peer), 1)
    most(14, "unicast_1k: CPU per delivery to " peer, ratio(s, "unicast_1k", cpu, peer), 1)
    most(14, "idle_10k: bytes per stream to " peer, ratio(s, "idle_10k", "rss_per_stream", peer), 1)
    for (i = 1; i in paces; ++i) most(19, paces[i] ": CPU per delivery to " peer, ratio(s, paces[i], cpu, peer), 1)
    for (i = 1; i in idles; ++i)
      most(19, idles[i] ": bytes per stream to " peer, ratio(s, idles[i], "rss_per_stream", peer), 1)
    for (i = 1; i in handshakes; ++i)
      most(19, handshakes[i] ": CPU for each to " peer, ratio(s, handshakes[i], cpu, peer), 1)
  }
}
