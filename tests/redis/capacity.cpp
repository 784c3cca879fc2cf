// Large logs, slow links, and a Redis without memory.
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_proxy.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::BusStatus;
using spate::Errc;
using spate::Event;

namespace {

std::vector<Sending> send_large(RedisNodeServer& node, int count, std::size_t size) {
  std::vector<Sending> sendings;
  for (int i = 0; i < count; ++i) {
    sendings.emplace_back(node.hub.emitter, Audience::user("anna"), Event(std::string(size, 'x')));
  }
  return sendings;
}

int log_length(const RedisServer& redis) {
  return std::stoi(redis.command("XLEN spate:log"));
}

}  // namespace

TEST_CASE("a log that takes longer than the reply timeout to come over a slow link is caught up with",
          "[cluster][capacity][durable]") {
  const bool few_large_ones = GENERATE(true, false);
  const RedisServer redis;
  RedisNodeServer a(redis.url());
  REQUIRE(all_succeed(few_large_ones ? send_large(a, 3, 1024 * 1024) : send_large(a, 30, 100 * 1024)));
  RedisProxy slow(redis.port());
  slow.slow_down(3'000);  // three megabytes a second
  spate::RedisOptions options = redis_options(slow.url());
  options.reply_timeout = 400ms;
  RedisNodeServer b(options);
  REQUIRE(b.is_connected());
  CHECK(b.faults.size() == 0);
  EventClient anna = b.hub.open("/anna", "earliest");
  CHECK(anna.next().data.size() >= 100 * 1024);
}

TEST_CASE("a node that is far behind reads a thousand events in a round trip", "[cluster][capacity][durable]") {
  const RedisServer redis;
  RedisNodeServer a(redis.url());
  REQUIRE(all_succeed(send_numbers(a, 1, 5'000)));
  a.bus->close();
  REQUIRE(redis.command("CONFIG RESETSTAT") == "OK");
  RedisNodeServer b(redis.url());
  REQUIRE(b.is_connected());
  const std::string statistics = redis.command("INFO commandstats");
  const std::size_t scripts = statistics.find("cmdstat_evalsha:calls=");
  REQUIRE(scripts != std::string::npos);
  // Five full batches and what else a node does when it starts; by 128 it would be forty.
  CHECK(std::stoi(statistics.substr(scripts + 22)) < 20);
}

TEST_CASE("a log keeps no more bytes than it may, but always its newest event", "[cluster][capacity][durable]") {
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.log_bytes = 1'000'000;
  RedisNodeServer a(options);
  REQUIRE(all_succeed(send_large(a, 100, 50'000)));
  CHECK(log_length(redis) <= 20);
  CHECK(log_length(redis) >= 10);
  REQUIRE(all_succeed(send_large(a, 1, 3'000'000)));
  CHECK(eventually([&] { return log_length(redis) == 1; }));
  // Who resumes after what was trimmed is told, and a node that starts now has what is left.
  RedisNodeServer b(options);
  EventClient all = b.hub.open("/anna", "earliest");
  CHECK(all.next().data.size() == 3'000'000);
}

TEST_CASE("what Redis says to be lost does not make the log longer", "[cluster][capacity][durable][gap]") {
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.log_bytes = 1'000'000;
  RedisNodeServer a(options);
  EventClient anna = a.hub.open("/anna?greet=1");
  anna.next();
  const std::string epoch = redis.command("GET spate:epoch");
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 15; ++i) {
      REQUIRE(all_succeed(send_large(a, 1, 50'000)));
      CHECK(anna.next().data.size() == 50'000);
    }
    redis.command("SET spate:mark " + redis.command("XADD spate:log '*' e " + epoch + " g lost"));
    CHECK(anna.next().name == "gap");
  }
  REQUIRE(all_succeed(send_large(a, 15, 50'000)));
  CHECK(eventually([&] { return log_length(redis) <= 23; }));  // with three marks
}

TEST_CASE("what is trimmed before a node on a slow link reads it is told as a gap before what follows",
          "[cluster][capacity][durable][gap]") {
  const RedisServer redis;
  RedisProxy slow(redis.port());
  spate::RedisOptions near = redis_options(redis.url()), far = redis_options(slow.url());
  near.log_bytes = far.log_bytes = 150'000;
  TwoNodes nodes(near, far);
  const std::string first = nodes.a.hub.sent(Audience::user("anna"), "1");
  CHECK(nodes.there.next().data == "1");
  slow.slow_down(200);  // half a second for one of those that follow
  for (int i = 2; i <= 7; ++i) {
    nodes.a.hub.sent(Audience::user("anna"), std::to_string(i) + std::string(100'000, 'x'));
  }
  slow.slow_down(0);
  nodes.a.hub.sent(Audience::user("anna"), "8");
  int heard = 1, gaps = 0;
  bool told = false;
  while (heard < 8) {
    const auto event = nodes.there.next();
    if (event.name == "gap") {
      CHECK_FALSE(std::exchange(told, true));
      ++gaps;
      continue;
    }
    const int number = event.data.at(0) - '0';
    CHECK(told == (number != heard + 1));
    heard = number;
    told = false;
  }
  CHECK(gaps > 0);
  CHECK(nodes.b.hub.server.stats().gaps == static_cast<std::size_t>(gaps));
  CHECK(nodes.b.hub.open("/anna?greet=1", first).next().data == "fresh");
}

TEST_CASE("a log that is larger than it may be is trimmed by the first node that comes",
          "[cluster][capacity][durable]") {
  const RedisServer redis;
  RedisNodeServer a(redis.url());
  REQUIRE(all_succeed(send_large(a, 40, 50'000)));
  REQUIRE(log_length(redis) == 40);
  spate::RedisOptions options = redis_options(redis.url());
  options.log_bytes = 1'000'000;
  RedisNodeServer b(options);
  REQUIRE(b.is_connected());
  CHECK(eventually([&] { return log_length(redis) < 20; }));
}

TEST_CASE("a full Redis makes room for new events by giving up old ones", "[cluster][capacity][durable]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  REQUIRE(redis.command("CONFIG SET maxmemory 12mb") == "OK");
  for (int round = 0; round < 200; ++round) {
    REQUIRE(all_succeed(send_large(nodes.a, 2, 50'000)));
    for (int i = 0; i < 2; ++i) REQUIRE(nodes.there.next().data.size() == 50'000);
  }
  CHECK(log_length(redis) < 300);
  CHECK(log_length(redis) > 10);
  CHECK(nodes.a.comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
}

TEST_CASE("an event for which a full Redis has no room is refused alone", "[cluster][capacity][durable]") {
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.reply_timeout = 10s;
  TwoNodes nodes(options);
  REQUIRE(redis.command("CONFIG SET maxmemory 12mb") == "OK");
  const std::vector<Sending> before = send_numbers(nodes.a, 1, 20);
  const Sending large(nodes.a.hub.emitter, Audience::user("anna"), Event(std::string(20 * 1024 * 1024, 'x')));
  const std::vector<Sending> after = send_numbers(nodes.a, 21, 40);
  REQUIRE(all_succeed(before));
  REQUIRE(large.wait());
  CHECK(large.error() == Errc::bus_refused);
  REQUIRE(all_succeed(after));
  CHECK(nodes.there.next_data(40) == numbers(1, 40));
  CHECK(nodes.a.comes_to([](const BusStatus& status) { return status.queued == 0 && status.reason.empty(); }));
}

TEST_CASE("nodes that connect to a full Redis make room there by themselves", "[cluster][capacity][durable]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  REQUIRE(all_succeed(send_large(nodes.a, 100, 50'000)));
  const std::string memory = redis.command("INFO memory");
  const long used = std::stol(memory.substr(memory.find("used_memory:") + 12));
  REQUIRE(redis.command("CONFIG SET maxmemory " + std::to_string(used - 1'000'000)) == "OK");
  redis.command("CLIENT KILL TYPE normal");
  for (const RedisNodeServer* node : {&nodes.a, &nodes.b}) {
    CHECK(node->comes_to([](const BusStatus& s) { return s.connected && s.reconnects == 1 && s.reason.empty(); }));
  }
  CHECK(log_length(redis) < 100);
  CHECK(log_length(redis) > 40);
  const RedisNodeServer fresh(redis.url());
  CHECK(fresh.comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
  CHECK(all_succeed(send_numbers(nodes.a, 1, 20)));
}

TEST_CASE("nodes read from a Redis without any memory, and one that starts does too", "[cluster][capacity][durable]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  nodes.a.hub.sent(Audience::user("anna"), "before");
  REQUIRE(redis.command("CONFIG SET maxmemory 1") == "OK");
  redis.command("CLIENT KILL TYPE normal");
  RedisNodeServer fresh(redis.url());
  for (const RedisNodeServer* node : {&nodes.a, &nodes.b, &fresh}) {
    CHECK(node->comes_to([](const BusStatus& s) { return s.connected && s.reason.substr(0, 3) == "OOM"; }));
  }
  EventClient anna = fresh.hub.open("/anna", "earliest");
  CHECK(anna.next().data == "before");
}
