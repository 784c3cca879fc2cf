// All three modes alike: every stream gets exactly what it should, in the order of each publisher. And what is
// particular to each.
#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/cluster_answers.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Event;
using spate::SubscribeOptions;

namespace {

struct Listener {
  std::string user;
  EventClient client;
};

}  // namespace

TEST_CASE("three nodes deliver what was sent, each event once, in the order of its publisher", "[cluster][modes]") {
  constexpr int publishers = 3, users = 60, sends = 600;
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast}) {
    CAPTURE(to_string(mode));
    const RedisServer redis;
    std::minstd_rand random(7);
    std::deque<RedisNodeServer> nodes;
    for (const char* name : {"a", "b", "c"}) nodes.emplace_back(redis_options(redis.url(), mode, name));
    for (RedisNodeServer& node : nodes) REQUIRE(node.is_connected());
    // Each user has one stream or two, on any nodes.
    std::vector<Listener> listeners;
    std::size_t streams = 0;
    for (int i = 0; i < users; ++i) {
      const std::string user = std::string(i % 2 == 0 ? "even-" : "odd-") + std::to_string(i);
      for (unsigned tab = 0; tab <= random() % 2; ++tab) {
        listeners.push_back({user, nodes[random() % nodes.size()].hub.open("/" + user + "?greet=1")});
        listeners.back().client.next();
        ++streams;
      }
    }
    // Each node knows its own without Redis: what two of them say is what Redis knows of all.
    for (std::size_t node = 0; node < 2; ++node) {
      REQUIRE(eventually([&] {
        const auto counts = cluster_counts(nodes[node].hub.emitter);
        return counts.users == users && counts.streams == streams;
      }));
    }
    // Every publisher keeps a book of what it sent to whom, in its order.
    struct Sent {
      std::string text;
      Audience::Kind kind;
      Texts names;
    };
    std::array<std::vector<Sent>, publishers> books;
    std::vector<std::thread> threads;
    for (int p = 0; p < publishers; ++p) {
      threads.emplace_back([&, p] {
        std::minstd_rand choice(static_cast<unsigned>(100 + p));
        const auto any_user = [&] {
          const auto i = choice() % users;
          return std::string(i % 2 == 0 ? "even-" : "odd-") + std::to_string(i);
        };
        for (int i = 0; i < sends; ++i) {
          Sent sent{std::to_string(p) + ":" + std::to_string(i), Audience::Kind::user, {any_user()}};
          switch (choice() % 10) {
            case 0: sent.kind = Audience::Kind::everybody; break;
            case 1: sent = {sent.text, Audience::Kind::group, {choice() % 2 == 0 ? "even-" : "odd-1"}}; break;
            case 2: sent = {sent.text, Audience::Kind::users, {any_user(), any_user(), any_user()}}; break;
            default: break;
          }
          spate::Emitter& emitter = nodes[static_cast<std::size_t>(p)].hub.emitter;
          const Event event(sent.text);
          switch (sent.kind) {
            case Audience::Kind::user: emitter.send(sent.names[0], event); break;
            case Audience::Kind::users: emitter.send(sent.names, event); break;
            case Audience::Kind::group: emitter.send_group(sent.names[0], event); break;
            case Audience::Kind::everybody: emitter.broadcast(event); break;
            case Audience::Kind::topic:
            case Audience::Kind::topics: break;
          }
          books[static_cast<std::size_t>(p)].push_back(std::move(sent));
        }
        nodes[static_cast<std::size_t>(p)].hub.emitter.broadcast(Event("end"));
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (Listener& listener : listeners) {
      CAPTURE(listener.user);
      std::array<Texts, publishers> received, expected;
      for (int ends = 0; ends < publishers;) {
        const auto event = listener.client.next();
        if (event.data == "end") {
          ++ends;
        } else {
          received[static_cast<std::size_t>(event.data[0] - '0')].push_back(event.data);
        }
      }
      for (std::size_t p = 0; p < publishers; ++p) {
        for (const Sent& sent : books[p]) {
          const Audience audience = sent.kind == Audience::Kind::everybody ? Audience::everybody()
                                    : sent.kind == Audience::Kind::group   ? Audience::group(sent.names[0])
                                                                           : Audience::users(sent.names);
          if (audience.includes(listener.user)) expected[p].push_back(sent.text);
        }
        CHECK(received[p] == expected[p]);
      }
    }
    for (RedisNodeServer& node : nodes) {
      CHECK(node.comes_to([](const BusStatus& status) { return status.published == sends + 1; }));
      CHECK(node.bus->status().skipped == 0);
      CHECK(node.hub.server.stats().gaps == 0);
    }
  }
}

TEST_CASE("in directed mode a unicast touches the nodes of its user and no other", "[cluster][directed]") {
  const RedisServer redis;
  RedisNodeServer a(redis_options(redis.url(), ClusterMode::directed, "a")),
      b(redis_options(redis.url(), ClusterMode::directed, "b")),
      c(redis_options(redis.url(), ClusterMode::directed, "c"));
  for (RedisNodeServer* node : {&a, &b, &c}) REQUIRE(node->is_connected());
  EventClient on_b = b.hub.open("/anna?greet=1"), on_a = a.hub.open("/bert?greet=1");
  on_b.next();
  on_a.next();
  REQUIRE(eventually([&] { return cluster_users(c.hub.emitter) == Texts{"anna", "bert"}; }));
  for (int i = 0; i < 100; ++i) a.hub.emitter.send("anna", Event(std::to_string(i)));
  for (int i = 0; i < 100; ++i) CHECK(on_b.next().data == std::to_string(i));
  CHECK(b.bus->status().received == 100);
  CHECK(c.bus->status().received == 0);
  CHECK(a.bus->status().received == 0);
  // Who is only here needs nobody else.
  const Sending local(a.hub.emitter, Audience::user("bert"), Event("local"));
  REQUIRE(local.wait());
  CHECK(on_a.next().data == "local");
  CHECK(b.bus->status().received == 100);
  // Nobody is known to hold them: all are asked.
  const Sending unknown(a.hub.emitter, Audience::user("carl"), Event("to all"));
  REQUIRE(unknown.wait());
  CHECK(b.comes_to([](const BusStatus& status) { return status.received == 101; }));
  CHECK(c.comes_to([](const BusStatus& status) { return status.received == 1; }));
  // Two tabs on two nodes are both reached.
  EventClient on_c = c.hub.open("/anna?greet=1");
  on_c.next();
  REQUIRE(eventually([&] { return cluster_counts(a.hub.emitter).streams == 3; }));
  a.hub.emitter.send("anna", Event("both"));
  CHECK(on_b.next().data == "both");
  CHECK(on_c.next().data == "both");
}

TEST_CASE("in directed mode nothing is lost when Redis forgets its scripts", "[cluster][directed][fault]") {
  const RedisServer redis;
  RedisNodeServer a(redis_options(redis.url(), ClusterMode::directed, "a")),
      b(redis_options(redis.url(), ClusterMode::directed, "b"));
  for (RedisNodeServer* node : {&a, &b}) REQUIRE(node->is_connected());
  EventClient on_b = b.hub.open("/anna?greet=1");
  on_b.next();
  REQUIRE(eventually([&] { return cluster_users(a.hub.emitter) == Texts{"anna"}; }));
  REQUIRE(redis.command("SCRIPT FLUSH") == "OK");
  REQUIRE(all_succeed(send_numbers(a, 1, 1'000)));
  CHECK(on_b.next_data(1'000) == numbers(1, 1'000));
}

TEST_CASE("who is online in the cluster is exact while nodes live, and within the lease when one dies",
          "[cluster][presence]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  spate::RedisOptions options = redis_options(redis.url(), mode, "a");
  options.lease = 600ms;
  RedisNodeServer a(options);
  REQUIRE(a.is_connected());
  EventClient anna = a.hub.open("/anna"), bert = a.hub.open("/bert");
  {
    options.node = "b";
    RedisNodeServer b(options);
    REQUIRE(b.is_connected());
    EventClient again = b.hub.open("/anna"), carl = b.hub.open("/carl");
    REQUIRE(eventually([&] { return cluster_users(a.hub.emitter) == Texts{"anna", "bert", "carl"}; }));
    REQUIRE(eventually([&] { return cluster_counts(b.hub.emitter).streams == 4; }));
    CHECK(cluster_users(b.hub.emitter, "c") == Texts{"carl"});
    carl.connection().reset();
    CHECK(eventually([&] { return cluster_users(a.hub.emitter) == Texts{"anna", "bert"}; }));
    again.connection().reset();
    CHECK(eventually([&] { return cluster_counts(a.hub.emitter).streams == 2; }));
  }
  // A node that says nothing any more: its lease is in Redis, as it was when it died.
  redis.command("ZADD spate:nodes $(($(date +%s%3N) + 3000)) dead");
  redis.command("HSET spate:node:dead dora 1");
  CHECK(eventually([&] { return cluster_users(a.hub.emitter) == Texts{"anna", "bert", "dora"}; }));
  CHECK(eventually([&] { return cluster_users(a.hub.emitter) == Texts{"anna", "bert"}; }));
  // Redis loses what it knew of the node, and is told again.
  redis.command("DEL spate:node:a");
  CHECK(eventually([&] { return redis.command("HGET spate:node:a bert") == "1"; }));
}

TEST_CASE("two applications share a Redis without meeting", "[cluster][prefix]") {
  const RedisServer redis;
  spate::RedisOptions ours = redis_options(redis.url()), theirs = ours;
  theirs.prefix = "other:";
  spate::RedisOptions database = ours;
  database.url += "/3";
  RedisNodeServer a(ours), b(theirs), c(database);
  for (RedisNodeServer* node : {&a, &b, &c}) REQUIRE(node->is_connected());
  EventClient on_a = a.hub.open("/anna?greet=1"), on_b = b.hub.open("/anna?greet=1"),
              on_c = c.hub.open("/anna?greet=1");
  for (EventClient* client : {&on_a, &on_b, &on_c}) client->next();
  a.hub.emitter.send("anna", Event("a"));
  b.hub.emitter.send("anna", Event("b"));
  c.hub.emitter.send("anna", Event("c"));
  CHECK(on_a.next().data == "a");
  CHECK(on_b.next().data == "b");
  CHECK(on_c.next().data == "c");
  CHECK(redis.command("KEYS 'other:*'").find("other:log") != std::string::npos);
  CHECK(redis.command("-n 3 XLEN spate:log") == "1");
}
