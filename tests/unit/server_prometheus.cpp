// Metrics as text: every metric said once, whatever there is of it, and nothing in it that a scraper refuses.
#include <cstddef>
#include <limits>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <asio/io_context.hpp>

#include <spate/cluster/in_process_bus.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/prometheus.hpp>
#include "support/catch.hpp"

using namespace spate;
using Catch::Matchers::ContainsSubstring;

namespace {

ServerStats busy_server() {
  ServerStats stats;
  stats.deliveries = 7;
  stats.streams = 3;
  stats.streams_ended[static_cast<std::size_t>(EndReason::client)] = 4;
  stats.streams_ended[static_cast<std::size_t>(EndReason::closed)] = 1;
  stats.streams_ended[static_cast<std::size_t>(EndReason::replaced)] = 2;
  stats.open_connections.http2_tls = 9;
  return stats;
}

EmitterStats emitter_with(std::size_t streams) {
  EmitterStats stats;
  stats.streams = streams;
  stats.users = 1;
  stats.events = 5;
  return stats;
}

// What the exposition format asks of a text: all lines of a metric together, its HELP and TYPE before its samples.
void check_groups(const std::string& text) {
  std::set<std::string> seen;
  std::string current;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::string name = line;
    if (line.rfind("# ", 0) == 0) name = line.substr(line.find(' ', 2) + 1);
    name = name.substr(0, name.find_first_of(" {"));
    if (name == current) continue;
    INFO(line);
    CHECK(line.rfind("# HELP ", 0) == 0);
    CHECK(seen.insert(name).second);
    current = name;
    REQUIRE(std::getline(lines, line));
    CHECK(line.rfind("# TYPE " + name + " ", 0) == 0);
  }
  CHECK(!seen.empty());
}

}  // namespace

TEST_CASE("the metrics of a server and its emitter are lines that Prometheus reads", "[metrics]") {
  const std::string text = prometheus_text(busy_server(), emitter_with(2));
  check_groups(text);
  CHECK_THAT(text, ContainsSubstring("# HELP spate_streams Streams registered now.\n"
                                     "# TYPE spate_streams gauge\n"
                                     "spate_streams 2\n"));
  CHECK_THAT(text, ContainsSubstring("\nspate_deliveries_total 7\n"));
  CHECK_THAT(text, ContainsSubstring("\nspate_connections{protocol=\"h2\",tls=\"1\"} 9\n"));
  CHECK_THAT(text, ContainsSubstring("\nspate_streams_ended_total{reason=\"client\"} 4\n"));
  // Whatever a program ends on purpose is one reason to an operator.
  CHECK_THAT(text, ContainsSubstring("\nspate_streams_ended_total{reason=\"closed\"} 3\n"));
  CHECK(text.find("spate_bus_") == std::string::npos);
  CHECK(text.back() == '\n');
}

TEST_CASE("a server without an emitter counts its own streams", "[metrics]") {
  const std::string text = prometheus_text(busy_server());
  check_groups(text);
  CHECK_THAT(text, ContainsSubstring("\nspate_streams 3\n"));
}

TEST_CASE("several emitters in one text share each metric, and a label tells them apart", "[metrics]") {
  const std::string text = prometheus_text(busy_server(), {{"orders", emitter_with(2)}, {"chat", emitter_with(11)}});
  check_groups(text);
  CHECK_THAT(text, ContainsSubstring("# TYPE spate_streams gauge\n"
                                     "spate_streams{emitter=\"orders\"} 2\n"
                                     "spate_streams{emitter=\"chat\"} 11\n"));
  CHECK_THROWS_AS(prometheus_text(busy_server(), {{"chat", emitter_with(2)}, {"chat", emitter_with(11)}}),
                  std::invalid_argument);
}

TEST_CASE("so do several servers", "[metrics]") {
  const std::string text =
      prometheus_text({{"public", busy_server()}, {"admin", ServerStats()}}, {{"", emitter_with(2)}});
  check_groups(text);
  CHECK_THAT(text, ContainsSubstring("\nspate_streams 2\n"));
  CHECK_THAT(text, ContainsSubstring("\nspate_deliveries_total{server=\"public\"} 7\n"
                                     "spate_deliveries_total{server=\"admin\"} 0\n"));
  CHECK_THAT(text, ContainsSubstring("{reason=\"client\",server=\"public\"} 4\n"));
}

TEST_CASE("a bus is told of where an emitter has one", "[metrics]") {
  asio::io_context io;
  EmitterOptions options;
  options.bus = std::make_shared<InProcessBus>(
      std::make_shared<InProcessNetwork>(io.get_executor(), InProcessNetwork::Kind::relay));
  const Emitter emitter(std::move(options));
  REQUIRE(emitter.stats().bus);
  const std::string text = prometheus_text(ServerStats(), emitter.stats());
  check_groups(text);
  CHECK_THAT(text, ContainsSubstring("\nspate_bus_connected "));
  CHECK_FALSE(Emitter().stats().bus);
}

TEST_CASE("an emitter tells how much it has sent", "[metrics]") {
  Emitter emitter;
  emitter.broadcast(Event("one"));
  emitter.send("alice", Event("two"));
  CHECK(emitter.stats().events == 2);
  CHECK(emitter.stats().streams == 0);
}

TEST_CASE("a program's own metrics stand beside those of the library", "[metrics]") {
  PrometheusText text;
  text.add(busy_server());
  text.gauge("shop_load", "How busy\nit is, C:\\.", 0.5);
  text.counter("shop_orders_total", "Orders.", 12, {{"kind", "big"}});
  text.counter("shop_orders_total", "Orders.", 3, {{"kind", "small"}});
  text.gauge("shop_coldest", "Degrees.", -std::numeric_limits<double>::infinity());
  check_groups(text.str());
  CHECK_THAT(text.str(), ContainsSubstring("# HELP shop_load How busy\\nit is, C:\\\\.\n# TYPE shop_load gauge\n"
                                           "shop_load 0.5\n"));
  CHECK_THAT(text.str(),
             ContainsSubstring("shop_orders_total{kind=\"big\"} 12\nshop_orders_total{kind=\"small\"} 3\n"));
  CHECK_THAT(text.str(), ContainsSubstring("shop_coldest -Inf\n"));
}

TEST_CASE("the value of a label may be any text", "[metrics]") {
  PrometheusText text;
  text.gauge("shop", "Shops.", 1, {{"name", "the \"old\"\none \\ \xFF"}});
  CHECK_THAT(text.str(), ContainsSubstring("shop{name=\"the \\\"old\\\"\\none \\\\ \xEF\xBF\xBD\"} 1\n"));
  // Prometheus takes NUL for the end of all metrics.
  const std::string nul("a\0b", 3);
  text.gauge("cart", "What " + nul + " costs.", 1, {{"name", nul}});
  CHECK_THAT(text.str(), ContainsSubstring("# HELP cart What a\xEF\xBF\xBD"
                                           "b costs.\n") &&
                             ContainsSubstring("cart{name=\"a\xEF\xBF\xBD"
                                               "b\"} 1\n"));
  CHECK(text.str().find('\0') == std::string::npos);
}

TEST_CASE("a label or a metric with an impossible name is refused", "[metrics]") {
  PrometheusText text;
  for (const char* name : {"", "1st", "a-b", "a b", "__name__", "a\"", "h\xC3\xB6he", "a:b"}) {
    INFO(name);
    CHECK_THROWS_AS(text.gauge("shop", "Shops.", 1, {{name, "x"}}), std::invalid_argument);
  }
  for (const char* name : {"", "1st", "a-b", "a b", "a{"}) {
    INFO(name);
    CHECK_THROWS_AS(text.gauge(name, "Shops.", 1), std::invalid_argument);
  }
  CHECK(text.str().empty());  // nothing is said about what has no samples
  text.gauge("a:b", "Shops.", 1, {{"_x9", "x"}});
  CHECK_THROWS_WITH(text.gauge("shop", "Shops.", 1, {{"a-b", "x"}}), ContainsSubstring("\"a-b\""));
}

TEST_CASE("what nobody could tell apart is refused", "[metrics]") {
  PrometheusText text;
  text.gauge("shop", "Shops.", 1, {{"a", "1"}, {"b", "2"}});
  CHECK_THROWS_AS(text.gauge("shop", "Shops.", 1, {{"b", "2"}, {"a", "1"}}), std::invalid_argument);
  CHECK_THROWS_AS(text.gauge("shop", "Shops.", 1, {{"a", "1"}, {"a", "2"}}), std::invalid_argument);
  CHECK_THROWS_AS(text.counter("shop", "Shops.", 1), std::invalid_argument);  // a gauge already
  // A label that a sample has itself.
  CHECK_THROWS_AS(PrometheusText().add(ServerStats(), {{"reason", "mine"}}), std::invalid_argument);
}
