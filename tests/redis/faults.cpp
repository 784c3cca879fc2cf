// What a node does when Redis fails, and that it goes on when it is back.
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Errc;
using spate::Event;

TEST_CASE("a node starts without Redis, and delivers when it comes", "[cluster][fault]") {
  RedisServer redis({}, RedisServer::State::not_started);
  RedisNodeServer a(redis.url()), b(redis.url());
  // Its streams open at once, though nothing is known of the log.
  EventClient anna = a.hub.open("/anna?greet=1");
  CHECK(anna.next().data == "fresh");
  CHECK_FALSE(a.bus->status().connected);
  REQUIRE(a.comes_to([](const BusStatus& status) { return status.reason.find("refused") != std::string::npos; }));
  const Sending sending(a.hub.emitter, Audience::user("anna"), Event("early"));
  CHECK_FALSE(sending.done());
  redis.start();
  REQUIRE(sending.wait());
  CHECK(sending.error() == std::error_code());
  CHECK(a.bus->status().reason.empty());
  // The position that it has now is one of the log: it resumes elsewhere.
  const auto early = anna.next();
  CHECK(early.data == "early");
  CHECK(early.last_event_id == sending.report().id);
  EventClient again = b.hub.open("/anna?greet=1", early.last_event_id);
  CHECK(again.next().data == "resumed");
}

TEST_CASE("Redis killed and restarted loses nothing and repeats nothing", "[cluster][fault][durable]") {
  RedisServer redis;
  TwoNodes nodes(redis.url());
  EventClient here = nodes.a.hub.open("/anna?greet=1");
  here.next();
  std::vector<Sending> sendings;
  int number = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) {
      sendings.emplace_back(nodes.a.hub.emitter, Audience::user("anna"), Event(std::to_string(++number)));
      if (i == 150) redis.kill();
    }
    redis.start();
  }
  REQUIRE(all_succeed(sendings));
  CHECK(here.next_data(900) == numbers(1, number));
  CHECK(nodes.there.next_data(900) == numbers(1, number));
  // An event may have come through the log before Redis's answer is read.
  CHECK(nodes.a.comes_to([](const BusStatus& status) { return status.published == 900; }));
  CHECK(nodes.a.bus->status().reconnects >= 1);
  CHECK(nodes.b.bus->status().received == 900);
}

TEST_CASE("a Redis that does not answer is given up, and taken up again", "[cluster][fault][durable]") {
  const bool stopped = GENERATE(true, false);
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.reply_timeout = 300ms;
  TwoNodes nodes(options);
  if (stopped) {
    redis.pause();
  } else {
    REQUIRE(redis.command("CLIENT PAUSE 1000 ALL") == "OK");  // it resumes by itself
  }
  const std::vector<Sending> sendings = send_numbers(nodes.a, 1, 100);
  REQUIRE(nodes.a.comes_to([](const BusStatus& status) {
    return !status.connected && status.reason.find("no answer for 300 ms") != std::string::npos;
  }));
  if (stopped) redis.resume();
  REQUIRE(all_succeed(sendings));
  CHECK(nodes.there.next_data(100) == numbers(1, 100));
}

TEST_CASE("a full queue refuses at once, and what it took is sent", "[cluster][fault][durable]") {
  RedisServer redis({}, RedisServer::State::not_started);
  spate::RedisOptions options = redis_options(redis.url());
  options.max_queued_events = 10;
  RedisNodeServer a(options);
  for (int i = 1; i <= 10; ++i) CHECK(a.hub.emitter.send("anna", Event(std::to_string(i))).error == std::error_code());
  CHECK(a.hub.emitter.send("anna", Event("11")).error == Errc::bus_queue_full);
  const Sending refused(a.hub.emitter, Audience::user("anna"), Event("12"));
  REQUIRE(refused.wait());
  CHECK(refused.error() == Errc::bus_queue_full);
  CHECK(a.bus->status().refused == 2);
  CHECK(a.bus->status().queued == 10);
  redis.start();
  EventClient anna = a.hub.open("/anna", "earliest");
  CHECK(anna.next_data(10) == numbers(1, 10));
  CHECK(a.comes_to([](const BusStatus& status) { return status.queued == 0; }));
}

TEST_CASE("a wrong password is told, without the password", "[cluster][fault]") {
  const RedisServer redis({"--requirepass", "right"});
  const std::string at = "@127.0.0.1:" + std::to_string(redis.port());
  RedisNodeServer wrong("redis://:wr0ng" + at), none(redis.url()), right("redis://:right" + at);
  CHECK(right.is_connected());
  REQUIRE(wrong.comes_to([](const BusStatus& s) { return s.reason.find("WRONGPASS") != std::string::npos; }));
  REQUIRE(none.comes_to([](const BusStatus& s) { return s.reason.find("NOAUTH") != std::string::npos; }));
  for (const std::string& fault : wrong.faults.entries()) CHECK(fault.find("wr0ng") == std::string::npos);
}

TEST_CASE("a Redis without memory is told, and what it refused comes once it has some", "[cluster][fault][durable]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  REQUIRE(redis.command("CONFIG SET maxmemory 1") == "OK");
  const std::vector<Sending> sendings = send_numbers(nodes.a, 1, 20);
  REQUIRE(nodes.a.comes_to([](const BusStatus& status) { return status.reason.substr(0, 3) == "OOM"; }));
  CHECK(nodes.a.bus->status().connected);
  REQUIRE(redis.command("CONFIG SET maxmemory 0") == "OK");
  REQUIRE(all_succeed(sendings));
  CHECK(nodes.there.next_data(20) == numbers(1, 20));
  CHECK(nodes.a.comes_to([](const BusStatus& status) { return status.reason.empty(); }));
}

TEST_CASE("garbage in the log and on the channels is skipped, counted and told", "[cluster][fault]") {
  const RedisServer redis;
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::broadcast, ClusterMode::directed}) {
    TwoNodes nodes(redis_options(redis.url(), mode, "a"), redis_options(redis.url(), mode, "b"));
    std::size_t expected = 0;
    if (mode == ClusterMode::durable) {
      const std::string epoch = redis.command("GET spate:epoch");
      redis.command("XADD spate:log '*' hello world");
      redis.command("XADD spate:log '*' e " + epoch + " m garbage");
      redis.command("XADD spate:log '*' e " + epoch + " m '\"\\x02newer\"'");
      // One that could be read, but whose event has an id of its own.
      redis.command(
          "EVAL \"local m = struct.pack('<BI8I8BI4BI4', 1, 7, 1, 3, 0, 5, 1) .. 'd' .. struct.pack('<I4', 200) "
          ".. string.rep('i', 200) return redis.call('XADD', KEYS[1], '*', 'e', ARGV[1], 'm', m)\" "
          "1 spate:log " +
          epoch);
      expected = 4;
    } else {
      redis.command("PUBLISH spate:all garbage");
      redis.command("PUBLISH spate:all ''");
      redis.command("PUBLISH spate:to:b garbage");
      expected = 3;
    }
    REQUIRE(nodes.b.comes_to([&](const BusStatus& status) { return status.skipped >= expected; }));
    CHECK(nodes.b.bus->status().skipped == expected);
    const std::string fault = mode == ClusterMode::durable ? "with an id of its own" : "could not be read";
    CHECK(eventually([&] { return nodes.b.faults.last().find(fault) != std::string::npos; }));
    CHECK_THAT(nodes.b.faults.last(), ContainsSubstring("could not be read"));
    nodes.a.hub.emitter.send("anna", Event("on it goes"));
    CHECK(nodes.there.next().data == "on it goes");
    CHECK(nodes.b.bus->status().connected);
  }
}

TEST_CASE("a log that Redis lost begins anew, and every stream is told of the gap", "[cluster][fault][durable]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  const std::string before = nodes.a.hub.sent(Audience::user("anna"), "before");
  CHECK(nodes.there.next().data == "before");
  REQUIRE(redis.command("FLUSHALL") == "OK");
  nodes.a.hub.sent(Audience::user("anna"), "after");
  const auto gap = nodes.there.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data == "{\"requested\":\"" + before + "\",\"oldest\":null,\"reason\":\"unknown\"}");
  // The log's place was taken by another, all of which is news.
  CHECK(nodes.there.next().data == "after");
  EventClient again = nodes.a.hub.open("/anna?greet=1", before);
  CHECK(again.next().data == "fresh");
  CHECK(again.next().name == "gap");
  CHECK(again.next().data == "after");
}

TEST_CASE("a client that is ahead of its node waits for it, and one that made its cursor up does not long",
          "[cluster][fault][durable]") {
  const RedisServer redis;
  RedisNodeServer a(redis.url()), b(redis.url());
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  const std::string id = a.hub.sent(Audience::user("anna"), "one"), epoch = id.substr(0, id.find('-'));
  EventClient ahead = b.hub.open("/anna?greet=1", id);
  CHECK(ahead.next().data == "resumed");
  EventClient made_up = b.hub.open("/anna?greet=1", epoch + "-18446744073709551614");
  CHECK(made_up.next().data == "fresh");
  const auto gap = made_up.next();
  CHECK(gap.name == "gap");
  CHECK_THAT(gap.data, ContainsSubstring("unknown"));
}

TEST_CASE("what a Redis forgot over a restart is restored by the nodes, under its ids", "[cluster][fault][durable]") {
  RedisServer redis;
  TwoNodes nodes(redis.url());
  const auto send = [&](int from, int to) {
    std::string id;
    for (const std::string& number : numbers(from, to)) id = nodes.a.hub.sent(Audience::user("anna"), number);
    return id;
  };
  const std::string first = send(1, 10);
  redis.save_files();
  const std::string last = send(11, 20);
  redis.kill();
  redis.roll_back_files();
  redis.start();
  send(21, 30);
  CHECK(nodes.there.next_data(30) == numbers(1, 30));
  EventClient again = nodes.b.hub.open("/anna?greet=1", last);
  CHECK(again.next().data == "resumed");
  CHECK(again.next_data(10) == numbers(21, 30));
  RedisNodeServer c(redis.url());
  EventClient elsewhere = c.hub.open("/anna?greet=1", first);
  CHECK(elsewhere.next().data == "resumed");
  CHECK(elsewhere.next_data(20) == numbers(11, 30));
  CHECK(redis.command("XLEN spate:log") == "30");
  for (const RedisNodeServer* node : {&nodes.a, &nodes.b, &c}) CHECK(node->hub.server.stats().gaps == 0);
}
