# One case's table from the lines of run.sh: medians over the rounds, and the median of the rounds' ratios to its floor.
#   awk -v only=CASE -v figure=NAME -v floor=SUBJECT -f median.awk -f table.awk results.txt
function of(subject, name,   i, n, list) {
  n = 0
  for (i = 1; i <= rounds; ++i) if ((subject, i, name) in value) list[++n] = value[subject, i, name]
  return median(list, n)
}
function ratio(subject, name,   i, n, list) {
  n = 0
  for (i = 1; i <= rounds; ++i)
    if ((subject, i, name) in value && value[floor, i, name] + 0 != 0)
      list[++n] = value[subject, i, name] / value[floor, i, name]
  return median(list, n)
}
function cell(x, format) { return x == "" ? "-" : sprintf(format, x) }
{
  delete field
  for (i = 1; i <= NF; ++i) {
    at = index($i, "=")
    if (at > 0) field[substr($i, 1, at - 1)] = substr($i, at + 1)
  }
  if (field["case"] != only) next
  subject = field["subject"]
  if (!(subject in known)) { known[subject] = 1; order[++subjects] = subject }
  if (field["round"] > rounds) rounds = field["round"]
  for (name in field) value[subject, field["round"], name] = field[name]
  bad[subject] += field["missing"] + field["doubled"] + field["out_of_order"] + field["streams_ended"]
  if (field["status"] != 0) ++failed[subject]
}
END {
  if (subjects == 0) exit
  churn = only ~ /^churn|handshakes/
  printf "\n%s (%d round%s)\n", only, rounds, rounds == 1 ? "" : "s"
  printf "  %-14s %9s %9s %6s %10s %9s %9s %8s %6s %6s   %s\n", "subject", "cpu us", "core us", "ratio", \
    churn ? "conn/s" : "deliv/s", "p50 ms", "p99 ms", "B/stream", "srv %", "cli %", figure " to " floor
  for (i = 1; i <= subjects; ++i) {
    s = order[i]
    times = churn ? "head" : "latency"
    printf "  %-14s %9s %9s %6s %10s %9s %9s %8s %6s %6s   %s%s\n", s, cell(of(s, "server_cpu_us"), "%.3f"), \
      cell(of(s, "server_core_us"), "%.3f"), cell(ratio(s, "server_cpu_us"), "%.2f"), \
      cell(of(s, churn ? "connections_per_second" : "deliveries_per_second"), "%.0f"), \
      cell(of(s, times "_p50_us") == "" ? "" : of(s, times "_p50_us") / 1000, "%.3f"), \
      cell(of(s, times "_p99_us") == "" ? "" : of(s, times "_p99_us") / 1000, "%.3f"), \
      cell(churn ? "" : of(s, "rss_per_stream"), "%.0f"), cell(of(s, "server_cpu_percent"), "%.1f"), \
      cell(of(s, "client_cpu_percent"), "%.1f"), \
      ratio(s, figure) == "" ? cell(of(s, figure), "(%.4g)") : sprintf("%.3f", ratio(s, figure)), \
      failed[s] ? sprintf("  FAILED %d of %d, %d events wrong", failed[s], rounds, bad[s]) : ""
  }
}
