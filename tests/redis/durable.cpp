// The log that all nodes follow: order, ids, replay on another node.
#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"

using namespace spate::test;
using spate::Audience;
using spate::Event;

namespace {

using Texts = std::vector<std::string>;

/// Sends and waits until Redis has it; returns the id.
std::string sent(RedisNodeServer& node, const Audience& audience, const std::string& text) {
  const Sending sending(node.hub.emitter, audience, Event(text));
  REQUIRE(sending.wait());
  REQUIRE(sending.error() == std::error_code());
  return sending.report().id;
}

}  // namespace

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
  const std::string first = sent(a, Audience::user("anna"), "one"), second = sent(b, Audience::group("an"), "two"),
                    third = sent(a, Audience::everybody(), "three");
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
    sent(a, Audience::user("anna"), "1");
    cursor = anna.next().last_event_id;
  }
  sent(a, Audience::user("anna"), "2");
  sent(b, Audience::user("bert"), "not hers");
  sent(b, Audience::everybody(), "3");
  EventClient anna = b.hub.open("/anna?greet=1", cursor);
  CHECK(anna.next_data(3) == Texts{"resumed", "2", "3"});
  sent(a, Audience::user("anna"), "4");
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
  RedisNodeServer a(options);
  options.url = "redis://b:secret@127.0.0.1:" + std::to_string(redis.port());
  RedisNodeServer b(options);
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  EventClient there = b.hub.open("/anna?greet=1");
  there.next();
  const std::string last = sent(a, Audience::user("anna"), "seen");
  CHECK(there.next().data == "seen");
  // It may not come back until much has been sent.
  REQUIRE(redis.command("ACL SETUSER b off") == "OK");
  redis.command("CLIENT KILL USER b");
  REQUIRE(b.comes_to([](const spate::BusStatus& status) { return !status.connected; }));
  for (int i = 1; i <= 30; ++i) sent(a, Audience::user("anna"), std::to_string(i));
  REQUIRE(redis.command("ACL SETUSER b on") == "OK");
  const auto gap = there.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data == "{\"requested\":\"" + last + "\",\"oldest\":null,\"reason\":\"trimmed\"}");
  for (int i = 21; i <= 30; ++i) CHECK(there.next().data == std::to_string(i));
  CHECK(b.comes_to([](const spate::BusStatus& status) { return status.reconnects == 1; }));
  // Its copy has what the log has: who resumes behind the hole is told, here and where nothing was missed.
  EventClient again = b.hub.open("/anna?greet=1", last);
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
  const std::string id = sent(a, Audience::user("anna"), "old");
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
