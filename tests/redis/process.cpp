// A node in a process that does other things as well: it starts programs, and waits for signals.
#include <set>
#include <string>

#include "support/catch.hpp"
#include "support/processes.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using spate::BusStatus;

TEST_CASE("a program that is started inherits no connection to Redis", "[cluster][process]") {
  RedisServer redis;
  const std::set<std::string> before = inherited_descriptors();
  SECTION("once it is made") {
    const RedisNodeServer node(redis.url());
    REQUIRE(node.is_connected());
    CHECK(added(before, inherited_descriptors()) == Texts{});
  }
  SECTION("nor those that were made again") {
    const RedisNodeServer node(redis.url());
    REQUIRE(node.is_connected());
    redis.kill();
    REQUIRE(node.comes_to([](const BusStatus& status) { return !status.connected; }));
    redis.start();
    REQUIRE(node.is_connected());
    CHECK(added(before, inherited_descriptors()) == Texts{});
  }
}

TEST_CASE("no thread that a node needs takes a signal from the thread that waits for it", "[cluster][process]") {
  RedisServer redis;
  std::string by_name = redis.url();
  const std::size_t address = by_name.find("127.0.0.1");
  REQUIRE(address != std::string::npos);
  by_name.replace(address, 9, "localhost");  // which somebody has to resolve
  const auto before = blocked_signals();
  const RedisNodeServer node(by_name);
  REQUIRE(node.is_connected());
  std::size_t taking = 0, others = 0;
  for (const auto& [thread, blocked] : blocked_signals()) {
    if (before.count(thread) > 0) continue;
    ++((blocked & every_signal) == every_signal ? others : taking);
  }
  CHECK(others == 2);  // that of the hub's server, and the one in which Asio resolves names
  CHECK(taking == 1);  // the test's own, which the node runs on
}
