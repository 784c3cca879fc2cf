// The log that all nodes follow: order, ids, replay on another node.
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using spate::Audience;
using spate::Event;

TEST_CASE("an event reaches its user on another node, under the id of the log", "[cluster][durable]") {
  const RedisServer redis;
  RedisNodeServer a(redis.url()), b(redis.url());
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  EventClient here = a.hub.open("/anna?greet=1"), there = b.hub.open("/anna?greet=1"),
              other = b.hub.open("/bert?greet=1");
  CHECK(here.next().data == "fresh");
  CHECK(there.next().data == "fresh");
  CHECK(other.next().data == "fresh");
  const std::string first = a.hub.sent(Audience::user("anna"), "one"),
                    second = b.hub.sent(Audience::group("an"), "two"),
                    third = a.hub.sent(Audience::everybody(), "three");
  for (EventClient* client : {&here, &there}) {
    for (const auto& [data, id] : {std::pair("one", first), std::pair("two", second), std::pair("three", third)}) {
      const auto event = client->next();
      CHECK(event.data == data);
      CHECK(event.last_event_id == id);
    }
  }
  CHECK(other.next().data == "three");
}

TEST_CASE("a client resumes on another node, with nothing lost and nothing twice", "[cluster][durable]") {
  const RedisServer redis;
  RedisNodeServer a(redis.url()), b(redis.url());
  std::string cursor;
  {
    EventClient anna = a.hub.open("/anna?greet=1");
    anna.next();
    a.hub.sent(Audience::user("anna"), "1");
    cursor = anna.next().last_event_id;
  }
  a.hub.sent(Audience::user("anna"), "2");
  b.hub.sent(Audience::user("bert"), "not hers");
  b.hub.sent(Audience::everybody(), "3");
  EventClient anna = b.hub.open("/anna?greet=1", cursor);
  CHECK(anna.next_data(3) == Texts{"resumed", "2", "3"});
  a.hub.sent(Audience::user("anna"), "4");
  CHECK(anna.next().data == "4");
  // A node that starts now replays what was sent before it was there.
  RedisNodeServer c(redis.url());
  EventClient again = c.hub.open("/anna?greet=1", cursor);
  CHECK(again.next_data(4) == Texts{"resumed", "2", "3", "4"});
  EventClient all = c.hub.open("/anna?greet=1", "earliest");
  CHECK(all.next_data(5) == Texts{"resumed", "1", "2", "3", "4"});
  CHECK(c.hub.server.stats().gaps == 0);
}

TEST_CASE("a node that was away while the log was trimmed tells its streams what they missed",
          "[cluster][durable][gap]") {
  // Trimming is exact when each entry is a node of the stream.
  const RedisServer redis({"--stream-node-max-entries", "1"});
  REQUIRE(redis.command("ACL SETUSER b on '>secret' '~*' '&*' +@all") == "OK");
  spate::RedisOptions options = redis_options(redis.url());
  options.log_events = 10;
  spate::RedisOptions options_of_b = options;
  options_of_b.url = "redis://b:secret@127.0.0.1:" + std::to_string(redis.port());
  TwoNodes nodes(options, options_of_b);
  const std::string last = nodes.a.hub.sent(Audience::user("anna"), "seen");
  CHECK(nodes.there.next().data == "seen");
  // It may not come back until much has been sent.
  REQUIRE(redis.command("ACL SETUSER b off") == "OK");
  redis.command("CLIENT KILL USER b");
  REQUIRE(nodes.b.comes_to([](const spate::BusStatus& status) { return !status.connected; }));
  for (int i = 1; i <= 30; ++i) nodes.a.hub.sent(Audience::user("anna"), std::to_string(i));
  REQUIRE(redis.command("ACL SETUSER b on") == "OK");
  const auto gap = nodes.there.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data == "{\"requested\":\"" + last + "\",\"oldest\":null,\"reason\":\"trimmed\"}");
  for (int i = 21; i <= 30; ++i) CHECK(nodes.there.next().data == std::to_string(i));
  CHECK(nodes.b.comes_to([](const spate::BusStatus& status) { return status.reconnects == 1; }));
  // Its copy has what the log has: who resumes after the hole is told, here and where nothing was missed.
  EventClient again = nodes.b.hub.open("/anna?greet=1", last);
  CHECK(again.next().data == "fresh");
  CHECK(again.next().name == "gap");
  CHECK(again.next().data == "21");
  RedisNodeServer c(options);
  EventClient late = c.hub.open("/anna?greet=1", last), current = c.hub.open("/anna?greet=1", gap.last_event_id);
  CHECK(late.next().data == "fresh");
  CHECK(late.next().name == "gap");
  CHECK(late.next().data == "21");
  CHECK(current.next_data(2) == Texts{"resumed", "21"});
}

TEST_CASE("what is older than the log keeps is trimmed", "[cluster][durable]") {
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.log_age = std::chrono::milliseconds(50);
  options.lease = std::chrono::milliseconds(90);
  RedisNodeServer a(options);
  const std::string id = a.hub.sent(Audience::user("anna"), "old");
  CHECK(eventually([&] { return redis.command("XLEN spate:log") == "0"; }));
  // The newest id is known although nothing is left of it.
  EventClient anna = a.hub.open("/anna?greet=1", id);
  CHECK(anna.next().data == "resumed");
  RedisNodeServer b(options);
  EventClient late = b.hub.open("/anna?greet=1", id);
  CHECK(late.next().data == "resumed");
}

TEST_CASE("an event that Redis had when the answer was lost is not appended again", "[cluster][durable]") {
  RedisServer redis;
  RedisNodeServer a(redis.url());
  REQUIRE(a.is_connected());
  EventClient anna = a.hub.open("/anna?greet=1");
  anna.next();
  int number = 0;
  for (int cut = 0; cut < 10; ++cut) {
    std::vector<Sending> sendings;
    for (int i = 0; i < 50; ++i) {
      sendings.emplace_back(a.hub.emitter, Audience::user("anna"), Event(std::to_string(++number)));
      if (i == 25) redis.command("CLIENT KILL TYPE normal");
    }
    for (const Sending& sending : sendings) REQUIRE(sending.wait());
  }
  for (int i = 1; i <= number; ++i) REQUIRE(anna.next().data == std::to_string(i));
  CHECK(redis.command("XLEN spate:log") == std::to_string(number));
  CHECK(a.bus->status().reconnects > 0);
}
