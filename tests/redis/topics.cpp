// Topics, commands and what is not kept, from emitter to emitter.
#include <chrono>
#include <string>
#include <system_error>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/sending.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::ClusterMode;
using spate::Event;
using spate::Scope;

TEST_CASE("a user's streams on all nodes join a topic, leave it, and are closed, at a word from any node",
          "[cluster][topic]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  RedisNodeServer a(redis_options(redis.url(), mode, "a")), b(redis_options(redis.url(), mode, "b")),
      c(redis_options(redis.url(), mode, "c"));
  for (const RedisNodeServer* node : {&a, &b, &c}) REQUIRE(node->is_connected());
  EventClient on_a = a.hub.open("/anna?greet=1"), on_b = b.hub.open("/anna?greet=1"),
              other = b.hub.open("/bert?greet=1&topic=hall");
  for (EventClient* client : {&on_a, &on_b, &other}) client->next();
  CHECK_FALSE(c.hub.emitter.join("anna", "room").error);
  // In the order of the node that says so, whether or not it has streams of hers.
  c.hub.emitter.send_topic("room", Event("1"));
  CHECK_FALSE(c.hub.emitter.leave("anna", "room").error);
  c.hub.emitter.send_topic("room", Event("not hers"));
  c.hub.emitter.send_topic("hall", Event("2"));
  c.hub.emitter.broadcast(Event("3"));
  for (EventClient* client : {&on_a, &on_b}) CHECK(client->next_data(2) == Texts{"1", "3"});
  CHECK(other.next_data(2) == Texts{"2", "3"});
  CHECK_FALSE(c.hub.emitter.remove("anna", Scope::cluster).error);
  for (EventClient* client : {&on_a, &on_b}) {
    CHECK(client->rest().empty());
    CHECK(client->completed());
  }
  c.hub.emitter.broadcast(Event("4"));
  CHECK(other.next().data == "4");
  for (const RedisNodeServer* node : {&a, &b, &c}) CHECK(node->hub.server.stats().gaps == 0);
}

TEST_CASE("what is not kept, and commands, leave no gap to whoever resumes across their numbers, on any node",
          "[cluster][durable][keep]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  nodes.a.hub.sent(Audience::user("anna"), "1");
  const std::string cursor = nodes.there.next().last_event_id;
  const Sending typing(nodes.a.hub.emitter, Audience::user("anna"), Event("typing").keep(false));
  REQUIRE(typing.wait());
  const auto event = nodes.there.next();
  CHECK(event.data == "typing");
  CHECK(event.last_event_id == cursor);
  CHECK_FALSE(nodes.a.hub.emitter.join("anna", "room").error);
  nodes.a.hub.emitter.send_topic("room", Event("joined").keep(false));
  CHECK(nodes.there.next().data == "joined");
  // The log ends with numbers that are nobody's. A node that starts now reads them; the others look for its end again
  // when a second was quiet, and then say so to whoever asks for the newest position.
  RedisNodeServer c(redis.url());
  REQUIRE(c.is_connected());
  const std::string newest = c.hub.emitter.position();
  CHECK(newest > cursor);
  std::vector<EventClient> again;
  for (const RedisNodeServer* node : {&c, &nodes.a, &nodes.b}) {
    CHECK(eventually([&] { return node->hub.emitter.position() >= newest; }));
    for (const std::string& from : {cursor, newest}) {
      again.push_back(node->hub.open("/anna?greet=1", from));
      CHECK(again.back().next().data == "resumed");
    }
  }
  nodes.a.hub.sent(Audience::user("anna"), "2");
  for (EventClient& client : again) CHECK(client.next().data == "2");
  CHECK(nodes.there.next().data == "2");
  for (const RedisNodeServer* node : {&c, &nodes.a, &nodes.b}) CHECK(node->hub.server.stats().gaps == 0);
}
