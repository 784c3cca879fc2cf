# The table of cluster.sh: medians over the rounds, and the median of the rounds' ratios to the hub alone.
#   awk -f median.awk -f cluster_table.awk RESULTS
function of(row, name, alone,   i, n, list) {
  for (i = 1; i <= rounds; ++i)
    if ((row, i, name) in value) list[++n] = value[row, i, name] / (alone == "" ? 1 : value[alone, i, name])
  return median(list, n)
}
{
  delete field
  for (i = 1; i <= NF; ++i) {
    at = index($i, "=")
    if (at > 0) field[substr($i, 1, at - 1)] = substr($i, at + 1)
  }
  row = field["case"] " " field["cluster"] " " field["nodes"]
  if (!(row in known)) { known[row] = 1; order[++rows] = row; commands[row] = field["commands"] }
  if (field["round"] > rounds) rounds = field["round"]
  elapsed = field["ended"] - field["begun"]
  field["redis"] = 100 * (field["redis_to"] - field["redis_from"]) / elapsed
  field["hubs"] = 100 * (field["hubs_to"] - field["hubs_from"]) / elapsed
  for (name in field) value[row, field["round"], name] = field[name]
}
END {
  print "| case | mode | nodes | deliveries/s | to alone | p50 ms | busy: redis | hubs | client | commands an event |"
  print "|---|---|---|---|---|---|---|---|---|---|"
  for (r = 1; r <= rows; ++r) {
    row = order[r]
    split(row, part, " ")
    gsub(",", ", ", commands[row])
    gsub(":", " ", commands[row])
    printf "| `%s` | %s | %d | %.0f | %.2f | %.1f | %.0f %% | %.0f %% | %.0f %% | %s |\n", part[1], part[2], part[3],
      of(row, "deliveries_per_second"), of(row, "deliveries_per_second", part[1] " local 1"),
      of(row, "latency_p50_us") / 1000, of(row, "redis"), of(row, "hubs"), of(row, "client_cpu_percent"), commands[row]
  }
}
