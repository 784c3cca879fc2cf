// What a node does when the connection to Redis fails, or Redis is not ready yet.
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_proxy.hpp"
#include "support/redis_server.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::BusStatus;

TEST_CASE("connections cut in the middle of an answer lose nothing and repeat nothing", "[cluster][fault][durable]") {
  const RedisServer redis;
  RedisProxy proxy(redis.port());
  // From the first answers of a connection on, to the middle of a long one; then it holds.
  std::vector<std::size_t> budgets;
  for (std::size_t bytes = 1; bytes < 6'000; bytes += 1 + bytes / 3) budgets.push_back(bytes);
  proxy.cut_after(budgets);
  spate::RedisOptions options = redis_options(proxy.url());
  options.min_retry = 1ms;
  options.max_retry = 20ms;
  RedisNodeServer a(options);
  RedisNodeServer b(redis.url());
  REQUIRE(b.is_connected());
  EventClient here = a.hub.open("/anna", "earliest"), there = b.hub.open("/anna?greet=1");
  there.next();
  constexpr int events = 500;
  REQUIRE(all_succeed(send_numbers(a, 1, events)));
  CHECK(there.next_data(events) == numbers(1, events));
  CHECK(here.next_data(events) == numbers(1, events));
  CHECK(proxy.cuts() >= 10);
  CHECK(redis.command("XLEN spate:log") == std::to_string(events));
}

TEST_CASE("a Redis that loads its data is told, and taken when it has", "[cluster][fault][durable]") {
  const RedisServer redis;
  RedisProxy proxy(redis.port());
  proxy.set_loading(true);
  RedisNodeServer a(proxy.url());
  REQUIRE(a.comes_to([](const BusStatus& status) { return status.reason.find("LOADING") != std::string::npos; }));
  CHECK_FALSE(a.bus->status().connected);
  const std::vector<Sending> sendings = send_numbers(a, 1, 20);
  proxy.set_loading(false);
  REQUIRE(all_succeed(sendings));
  EventClient anna = a.hub.open("/anna", "earliest");
  CHECK(anna.next_data(20) == numbers(1, 20));
  CHECK(a.comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
}
