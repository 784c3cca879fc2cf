// The log that all nodes follow: order, ids, replay on another node.
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
