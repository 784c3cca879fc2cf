// Who is where: counts and lists of the cluster, leases, names, nodes that die, leave and return.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <asio/bind_executor.hpp>
#include <asio/strand.hpp>
#include <asio/system_executor.hpp>

#include <spate/cluster/detail/asio_redis_io.hpp>
#include <spate/cluster/detail/redis_presence.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/cluster_answers.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Event;

namespace {

/// Keeps a node from Redis, as if it had died, until it is let in again. Its user is its name.
class Ban {
 public:
  Ban(const RedisServer& redis, const RedisNodeServer& node, std::string user) : redis_(redis), user_(std::move(user)) {
    redis_.command("ACL SETUSER " + user_ + " off");
    redis_.command("CLIENT KILL USER " + user_);
    if (!node.comes_to([](const BusStatus& status) { return !status.connected; })) throw Failure("it is connected yet");
  }
  void lift() const { redis_.command("ACL SETUSER " + user_ + " on"); }

 private:
  const RedisServer& redis_;
  const std::string user_;
};

spate::RedisOptions with_user(const RedisServer& redis, ClusterMode mode, const std::string& node) {
  redis.command("ACL SETUSER " + node + " on '>secret' '~*' '&*' +@all");
  spate::RedisOptions options = redis_options(redis.url(), mode, node);
  options.url = "redis://" + node + ":secret@127.0.0.1:" + std::to_string(redis.port());
  return options;
}

/// Another node of so many users, as Redis knows it.
void put_users(const RedisServer& redis, const std::string& node, std::size_t users) {
  redis.command("EVAL \"for i = 1, " + std::to_string(users) + " do redis.call('HSET', 'spate:node:" + node +
                "', 'user-' .. i, '1'); redis.call('HINCRBY', 'spate:users', 'user-' .. i, 1) end " +
                "redis.call('HSET', 'spate:origins', '" + node + "', 'one'); redis.call('HSET', 'spate:streams', '" +
                node + "', " + std::to_string(users) + "); redis.call('ZADD', 'spate:nodes', 9999999999999, '" + node +
                "')\" 0");
}

bool counts_come_to(spate::Emitter& emitter, std::size_t users, std::size_t streams) {
  return eventually([&] {
    try {
      const auto counts = cluster_counts(emitter);
      return counts.users == users && counts.streams == streams;
    } catch (const std::system_error&) {  // it has not told its own yet
      return false;
    }
  });
}

std::size_t calls(const RedisServer& redis, const std::string& command) {
  const std::string statistics = redis.command("INFO commandstats");
  const std::string name = "cmdstat_" + command + ":calls=";
  const std::size_t at = statistics.find(name);
  return at == std::string::npos ? 0 : std::stoul(statistics.substr(at + name.size()));
}

}  // namespace

TEST_CASE("the cluster's count reads no table, and is asked once for all who want it", "[cluster][presence][cost]") {
  const RedisServer redis;
  RedisNodeServer a(redis_options(redis.url(), ClusterMode::durable, "a"));
  REQUIRE(a.is_connected());
  EventClient anna = a.hub.open("/anna");
  put_users(redis, "far", 20'000);
  REQUIRE(counts_come_to(a.hub.emitter, 20'001, 20'001));
  redis.command("CONFIG RESETSTAT");
  constexpr std::size_t askers = 200;
  Journal told;
  for (std::size_t i = 0; i < askers; ++i) {
    a.hub.emitter.async_cluster_counts(
        asio::bind_executor(asio::system_executor(), [&](std::error_code error, spate::Emitter::Counts counts) {
          told.add(error ? error.message() : std::to_string(counts.users));
        }));
  }
  CHECK(told.wait_for(askers) == Texts(askers, "20001"));
  for (const char* command : {"hscan", "hgetall", "hkeys", "smembers"}) CHECK(calls(redis, command) == 0);
  CHECK(calls(redis, "evalsha") < 20);
}

TEST_CASE("the cluster's users are read in pieces, once for all who want them, and sends go on meanwhile",
          "[cluster][presence][cost]") {
  const RedisServer redis;
  RedisNodeServer a(redis_options(redis.url(), ClusterMode::durable, "a"));
  REQUIRE(a.is_connected());
  constexpr std::size_t users = 50'000, askers = 10;
  put_users(redis, "far", users);
  redis.command("CONFIG RESETSTAT");
  Journal told;
  for (std::size_t i = 0; i < askers; ++i) {
    a.hub.emitter.async_cluster_users(
        "user-1", asio::bind_executor(asio::system_executor(), [&](std::error_code error, const Texts& ids) {
          const bool sorted = std::is_sorted(ids.begin(), ids.end());
          told.add(error ? error.message() : std::to_string(ids.size()) + (sorted ? "" : " unsorted"));
        }));
  }
  // Sent after the question, and back before its answer.
  const Sending sending(a.hub.emitter, Audience::user("anna"), Event("meanwhile"));
  REQUIRE(sending.wait());
  CHECK(told.size() == 0);
  CHECK(told.wait_for(askers) == Texts(askers, "11111"));
  const std::size_t pieces = calls(redis, "hscan");
  CHECK(pieces >= users / 1'000);
  CHECK(pieces <= users / 100);  // one list for all
}

TEST_CASE("a user on two nodes counts once, while one of them dies and returns", "[cluster][presence]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed);
  spate::RedisOptions options = redis_options(redis.url(), mode, "a"), options_of_b = with_user(redis, mode, "b");
  options.lease = options_of_b.lease = 600ms;
  RedisNodeServer a(options), b(options_of_b);
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  EventClient here = a.hub.open("/anna"), there = b.hub.open("/anna"), second = b.hub.open("/anna"),
              bert = b.hub.open("/bert");
  REQUIRE(counts_come_to(a.hub.emitter, 2, 4));
  for (int round = 0; round < 2; ++round) {
    const Ban ban(redis, b, "b");
    CHECK(counts_come_to(a.hub.emitter, 1, 1));
    CHECK(redis.command("HGET spate:users anna") == "1");
    CHECK(eventually([&] { return redis.command("EXISTS spate:node:b") == "0"; }));
    // Who went meanwhile is not told, nor who came and went.
    if (round == 0) second.connection().reset();
    b.hub.open("/carl").connection().reset();
    REQUIRE(eventually([&] { return b.hub.emitter.counts().streams == 2; }));
    ban.lift();
    CHECK(counts_come_to(a.hub.emitter, 2, 3));
    CHECK(redis.command("HGET spate:users anna") == "2");
  }
  there.connection().reset();
  bert.connection().reset();
  CHECK(counts_come_to(b.hub.emitter, 1, 1));
  here.connection().reset();
  CHECK(counts_come_to(b.hub.emitter, 0, 0));
  CHECK(redis.command("EXISTS spate:users") == "0");
}

TEST_CASE("while Redis is away nothing is noted of who comes and goes, and then all who are here are told",
          "[cluster][presence][fault]") {
  Loop loop;
  const spate::RedisOptions nowhere = redis_options("redis://127.0.0.1:1", ClusterMode::directed, "a");
  const spate::detail::RedisKeys keys("spate:", "a");
  spate::detail::AsioRedisIo io(asio::make_strand(loop.io));
  spate::detail::RedisPresence presence(io, nowhere, keys, "origin", {});
  CHECK_FALSE(presence.changed("anna", 1));

  RedisServer redis;
  RedisNodeServer a(redis_options(redis.url(), ClusterMode::directed, "a"));
  REQUIRE(a.is_connected());
  EventClient stays = a.hub.open("/stays"), goes = a.hub.open("/goes");
  REQUIRE(eventually([&] { return redis.command("HLEN spate:node:a") == "2"; }));
  redis.kill();
  REQUIRE(a.comes_to([](const BusStatus& status) { return !status.connected; }));
  goes.connection().reset();
  for (int i = 0; i < 20; ++i) a.hub.open("/passes-" + std::to_string(i)).connection().reset();
  std::vector<EventClient> come;
  // More than one piece of them.
  for (int i = 0; i < 600; ++i) come.push_back(a.hub.open("/comes-" + std::to_string(i)));
  REQUIRE(eventually([&] { return a.hub.emitter.user_count() == 601; }));
  redis.start();
  REQUIRE(a.is_connected());
  CHECK(redis.command("HLEN spate:node:a") == "601");
  CHECK(redis.command("HEXISTS spate:node:a goes") == "0");
  CHECK(counts_come_to(a.hub.emitter, 601, 601));
}

TEST_CASE("a node that stops in peace is gone from every table at once", "[cluster][presence]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  RedisNodeServer a(redis_options(redis.url(), mode, "a")), b(redis_options(redis.url(), mode, "b"));
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  EventClient anna = a.hub.open("/anna"), there = b.hub.open("/anna"), bert = b.hub.open("/bert");
  REQUIRE(counts_come_to(a.hub.emitter, 2, 3));
  const auto stopped = std::chrono::steady_clock::now();
  b.bus->close();
  REQUIRE(eventually([&] { return redis.command("ZRANGE spate:nodes 0 -1") == "a"; }));
  CHECK(eventually([&] { return redis.command("EXISTS spate:node:b spate:left") == "0"; }));
  CHECK(redis.command("HKEYS spate:origins") == "a");
  CHECK(redis.command("HKEYS spate:streams") == "a");
  CHECK(redis.command("HGETALL spate:users") == "anna\n1");
  CHECK(counts_come_to(a.hub.emitter, 1, 1));
  CHECK(cluster_users(a.hub.emitter) == Texts{"anna"});
  CHECK(std::chrono::steady_clock::now() - stopped < 10s);  // the lease that it does not wait for
}

TEST_CASE("the second node of a name waits until the first has stopped, and takes nothing of it away",
          "[cluster][presence][name]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const spate::RedisOptions options = redis_options(redis.url(), mode, "twin");
  auto first = std::make_unique<RedisNodeServer>(options);
  REQUIRE(first->is_connected());
  EventClient anna = first->hub.open("/anna?greet=1");
  anna.next();
  RedisNodeServer third(redis_options(redis.url(), mode, "c"));
  REQUIRE(third.is_connected());
  REQUIRE(counts_come_to(third.hub.emitter, 1, 1));

  RedisNodeServer second(options);
  EventClient bert = second.hub.open("/bert?greet=1");
  CHECK(bert.next().data == "fresh");  // its own streams open at once
  REQUIRE(second.comes_to([](const BusStatus& s) { return s.reason.find("this one's name") != std::string::npos; }));
  second.faults.wait_for(1);
  CHECK_THAT(second.faults.last(), ContainsSubstring("\"twin\": another node has this one's name"));
  // What is routed by name cannot be delivered to two.
  CHECK(second.bus->status().connected == (mode != ClusterMode::directed));
  CHECK(first->bus->status().reason.empty());
  third.hub.sent(Audience::user("anna"), "to the first");
  CHECK(anna.next().data == "to the first");
  CHECK(redis.command("HGETALL spate:node:twin") == "anna\n1");
  // To whoever asks it, the first's users are others'.
  if (second.bus->status().connected) CHECK(cluster_users(second.hub.emitter) == Texts{"anna", "bert"});
  CHECK(cluster_users(first->hub.emitter) == Texts{"anna"});

  first.reset();
  CHECK(second.comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
  CHECK(eventually([&] { return redis.command("HGETALL spate:node:twin") == "bert\n1"; }));
  CHECK(counts_come_to(third.hub.emitter, 1, 1));
  third.hub.sent(Audience::user("bert"), "to the second");
  // What was sent to them before was routed past the second.
  if (mode == ClusterMode::directed) CHECK(bert.next().name == "gap");
  CHECK(bert.next().data == "to the second");
}

TEST_CASE("a node takes the name of one that died: at once where it listened, else when its lease is over",
          "[cluster][presence][name]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  redis.command("ZADD spate:nodes $(($(date +%s%3N) + 2000)) a");
  redis.command("HSET spate:origins a dead");
  redis.command("HSET spate:node:a dora 1");
  redis.command("HSET spate:users dora 1");
  RedisNodeServer a(redis_options(redis.url(), mode, "a"));
  EventClient anna = a.hub.open("/anna");
  REQUIRE(a.is_connected());
  CHECK(a.bus->status().reason.empty());  // nobody is known to be alive
  if (mode != ClusterMode::durable) CHECK(redis.command("HGET spate:node:a dora").empty());
  CHECK(counts_come_to(a.hub.emitter, 1, 1));
  CHECK(redis.command("HGETALL spate:users") == "anna\n1");
  CHECK(a.faults.size() == 0);
}

TEST_CASE("a Redis without memory keeps a node from no event, and is told who is here once it has some",
          "[cluster][presence][fault]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  spate::RedisOptions options = redis_options(redis.url(), mode, "a"),
                      options_of_b = redis_options(redis.url(), mode, "b");
  options.lease = options_of_b.lease = 3s;  // a machine that is busy for a moment ends no session
  TwoNodes nodes(options, options_of_b);
  REQUIRE(redis.command("CONFIG SET maxmemory 1") == "OK");
  for (RedisNodeServer* node : {&nodes.a, &nodes.b}) {
    REQUIRE(node->comes_to([](const BusStatus& status) { return status.reason.substr(0, 3) == "OOM"; }));
    CHECK(node->bus->status().connected);
  }
  EventClient bert = nodes.b.hub.open("/bert");
  if (mode != ClusterMode::durable) {
    nodes.a.hub.emitter.send("anna", Event("all the same"));
    CHECK(nodes.there.next().data == "all the same");
  }
  REQUIRE(redis.command("CONFIG SET maxmemory 0") == "OK");
  CHECK(counts_come_to(nodes.a.hub.emitter, 2, 2));
  for (RedisNodeServer* node : {&nodes.a, &nodes.b}) {
    CHECK(node->comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
    CHECK(node->bus->status().reconnects == 0);
  }
}
