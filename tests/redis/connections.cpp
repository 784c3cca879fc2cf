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
using spate::Audience;
using spate::BusStatus;
using spate::Event;

namespace {

using Texts = std::vector<std::string>;

Texts numbers(int to) {
  Texts all;
  for (int i = 1; i <= to; ++i) all.push_back(std::to_string(i));
  return all;
}

std::vector<Sending> send_numbers(RedisNodeServer& node, int to) {
  std::vector<Sending> sendings;
  for (int i = 1; i <= to; ++i)
    sendings.emplace_back(node.hub.emitter, Audience::user("anna"), Event(std::to_string(i)));
  return sendings;
}

}  // namespace

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
  for (const Sending& sending : send_numbers(a, events)) {
    REQUIRE(sending.wait());
    REQUIRE(sending.error() == std::error_code());
  }
  CHECK(there.next_data(events) == numbers(events));
  CHECK(here.next_data(events) == numbers(events));
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
  const std::vector<Sending> sendings = send_numbers(a, 20);
  proxy.set_loading(false);
  for (const Sending& sending : sendings) REQUIRE(sending.wait());
  EventClient anna = a.hub.open("/anna", "earliest");
  CHECK(anna.next_data(20) == numbers(20));
  CHECK(a.comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
}

TEST_CASE("a Redis whose clients are paused is given up, and taken up again", "[cluster][fault][durable]") {
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.reply_timeout = 200ms;
  RedisNodeServer a(options), b(options);
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  EventClient there = b.hub.open("/anna?greet=1");
  there.next();
  REQUIRE(redis.command("CLIENT PAUSE 1000 ALL") == "OK");
  const std::vector<Sending> sendings = send_numbers(a, 50);
  REQUIRE(a.comes_to([](const BusStatus& status) { return !status.connected; }));
  for (const Sending& sending : sendings) {
    REQUIRE(sending.wait());
    REQUIRE(sending.error() == std::error_code());
  }
  CHECK(there.next_data(50) == numbers(50));
}
