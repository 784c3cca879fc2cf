// A node of a cluster whose memory runs out at any allocation: of a call to it, or of its own loop. It is told, and
// goes on.
#include <cstddef>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include <spate/registry/emitter.hpp>
#include "fault/calls/failing_calls.hpp"
#include "support/catch.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"

using namespace spate::test;
using Catch::Matchers::ContainsSubstring;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Event;
using spate::UserCommand;

namespace {

/// Does `call` on a thread whose first allocation fails, then one whose second does, ... until none is left to fail,
/// and `check` after each failure. Returns how often it failed.
template <typename Call, typename Check>
long sweep(Call call, Check check) {
  long failed = 0;
  std::thread([&] {
    mark_this_thread();
    for (;; ++failed) {
      try {
        const FailingAllocation failing(failed);
        call();
        return;
      } catch (const std::bad_alloc&) {
      }
      INFO("after " << failed << " allocations");
      check();
    }
  }).join();
  return failed;
}

/// An event's text, and what only that fails of the allocations of a loop: some of Asio's own end the program when they
/// fail.
constexpr std::size_t large = 20'000;

}  // namespace

TEST_CASE("an event for which a node has no memory is not sent, and the next ones are", "[fault][cluster]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const RedisNodeServer a(redis_options(redis.url(), mode, "a"));
  REQUIRE(a.is_connected());
  const std::string user = "a user whose name is longer than what a string holds in itself";
  const Event event(std::string(100, 'x'));
  std::size_t sent = 0;
  const long failed = sweep([&] { a.bus->publish(Audience::user(user), event, {}); },
                            [&] {
                              CHECK(a.bus->status().queued == 0);
                              CHECK_FALSE(a.bus->publish(Audience::user(user), event, {}));
                              ++sent;
                              CHECK(a.comes_to([&](const BusStatus& status) { return status.queued == 0; }));
                              CHECK(a.bus->status().published == sent);
                            });
  CHECK(failed > 3);
  CHECK(a.faults.size() == 0);
}

TEST_CASE("a command for which a node has no memory is not sent, and the next ones are", "[fault][cluster]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const RedisNodeServer a(redis_options(redis.url(), mode, "a"));
  REQUIRE(a.is_connected());
  const std::string name = "a name that is longer than what a string holds in itself";
  const UserCommand command{UserCommand::Kind::join, name, {name, name}};
  std::size_t sent = 0;
  const long failed = sweep([&] { a.bus->command(command); },
                            [&] {
                              CHECK(a.bus->status().queued == 0);
                              CHECK_FALSE(a.bus->command(command));
                              ++sent;
                              CHECK(a.comes_to([&](const BusStatus& status) { return status.queued == 0; }));
                              CHECK(a.bus->status().published == sent);
                            });
  CHECK(failed > 3);
  CHECK(a.faults.size() == 0);
}

TEST_CASE("a user for whom a node has no memory is told to the others at the next attempt", "[fault][cluster]") {
  const RedisServer redis;
  RedisNodeServer a(redis_options(redis.url(), ClusterMode::durable, "a"));
  REQUIRE(a.is_connected());
  const auto has_users = [&](const char* count) {
    return eventually([&] { return redis.command("HLEN spate:node:a") == count; });
  };
  EventClient anna = a.hub.open("/anna");
  REQUIRE(has_users("1"));
  const std::string user = "a user whose name is longer than what a string holds in itself";
  const long failed = sweep([&] { a.bus->changed(user, 1); },
                            [&] {
                              a.bus->changed(user, 1);
                              CHECK(has_users("2"));
                              a.bus->changed(user, 0);
                              CHECK(has_users("1"));
                            });
  CHECK(failed > 2);
}

TEST_CASE("a node whose loop is out of memory for a moment says so, and loses and repeats nothing",
          "[fault][cluster][durable]") {
  const RedisServer redis;
  const bool reads = GENERATE(true, false);
  CAPTURE(reads);
  TwoNodes nodes(redis.url());
  RedisNodeServer& struck = reads ? nodes.b : nodes.a;
  struck.loop.run([] { mark_this_thread(); });
  long failed = 0;
  for (int number = 1;; ++number) {
    INFO("after " << failed << " allocations");
    const std::string text = std::to_string(number) + std::string(large, 'x');
    const FailingAllocation failing(failed, 1, large);
    const Sending sending(nodes.a.hub.emitter, Audience::user("anna"), Event(text));
    REQUIRE(sending.wait());
    CHECK(sending.error() == std::error_code());
    REQUIRE(nodes.there.next().data == text);
    if (!failing.struck()) break;
    REQUIRE(struck.is_connected());
    ++failed;
  }
  CHECK(failed > 2);
  REQUIRE(struck.faults.size() > 0);
  for (const std::string& told : struck.faults.entries()) CHECK_THAT(told, ContainsSubstring("std::bad_alloc"));
  CHECK(nodes.b.hub.server.stats().gaps == 0);
}

TEST_CASE("a node without a log whose loop is out of memory for a moment tells every event's fate, and goes on",
          "[fault][cluster]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  RedisNodeServer a(redis_options(redis.url(), mode, "a"));
  REQUIRE(a.is_connected());
  a.loop.run([] { mark_this_thread(); });
  long failed = 0;
  for (bool struck = true; struck;) {
    INFO("after " << failed << " allocations");
    const FailingAllocation failing(failed, 1, large);
    const Sending sending(a.hub.emitter, Audience::user("anna"), Event(std::string(large, 'x')));
    REQUIRE(sending.wait());
    REQUIRE(a.is_connected());
    CHECK(a.comes_to([](const BusStatus& status) { return status.queued == 0; }));
    struck = failing.struck();
    if (struck) ++failed;
  }
  CHECK(failed > 0);
  for (const std::string& told : a.faults.entries()) CHECK_THAT(told, ContainsSubstring("std::bad_alloc"));
}
