// What a node says of a Redis that is not what it needs, and that it needs no more leave than is documented.
#include <chrono>
#include <string>
#include <system_error>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/cluster_answers.hpp"
#include "support/free_port.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using Catch::Matchers::ContainsSubstring;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Event;

TEST_CASE("a Redis that may evict keys is used and told, until it may not", "[cluster][checks]") {
  const RedisServer redis({"--maxmemory-policy", "allkeys-lru"});
  RedisNodeServer a(redis.url());
  REQUIRE(a.is_connected());
  const BusStatus status = a.bus->status();
  CHECK_THAT(status.reason, ContainsSubstring("maxmemory-policy is allkeys-lru"));
  CHECK_THAT(status.reason, ContainsSubstring("set it to noeviction"));
  a.hub.sent(Audience::user("anna"), "delivered all the same");
  REQUIRE(redis.command("CONFIG SET maxmemory-policy noeviction") == "OK");
  CHECK(a.comes_to([](const BusStatus& now) { return now.connected && now.reason.empty(); }));
  REQUIRE(redis.command("CONFIG SET maxmemory-policy volatile-ttl") == "OK");
  CHECK(a.comes_to([](const BusStatus& now) { return now.reason.find("volatile-ttl") != std::string::npos; }));
}

TEST_CASE("a replica is refused in every mode, and taken once it is a master", "[cluster][checks]") {
  const RedisServer master, replica;
  replica.follow(master);
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast}) {
    RedisNodeServer a(redis_options(replica.url(), mode));
    REQUIRE(a.comes_to([](const BusStatus& s) { return s.reason.find("it is a replica") != std::string::npos; }));
    CHECK_FALSE(a.bus->status().connected);
  }
  RedisNodeServer b(replica.url());
  replica.promote();
  CHECK(b.is_connected());
  // A master that is demoted while its connections stay is noticed.
  replica.follow(master);
  CHECK(b.comes_to([](const BusStatus& s) { return s.reason.find("it is a replica") != std::string::npos; }));
}

TEST_CASE("a Redis that takes no writes for want of replicas is read from, and told", "[cluster][checks][durable]") {
  const RedisServer redis;
  spate::RedisOptions options = redis_options(redis.url());
  options.lease = std::chrono::milliseconds(600);
  TwoNodes nodes(options);
  nodes.a.hub.sent(Audience::user("anna"), "before");
  CHECK(nodes.there.next().data == "before");
  REQUIRE(redis.command("CONFIG SET min-replicas-to-write 1") == "OK");
  const auto is_told = [](const BusStatus& s) { return s.connected && s.reason.substr(0, 10) == "NOREPLICAS"; };
  CHECK(nodes.a.comes_to(is_told));
  CHECK(nodes.b.comes_to(is_told));
  CHECK(nodes.b.bus->status().reason == "NOREPLICAS Not enough good replicas to write.");
  CHECK(nodes.b.bus->status().reconnects == 0);
  const Sending waits(nodes.a.hub.emitter, Audience::user("anna"), Event("after"));
  // So do a node that connects again, and one that starts.
  redis.command("CLIENT KILL TYPE normal");
  RedisNodeServer fresh(options);
  CHECK(fresh.comes_to(is_told));
  CHECK(nodes.b.comes_to([&](const BusStatus& status) { return is_told(status) && status.reconnects == 1; }));
  EventClient anna = fresh.hub.open("/anna", "earliest");
  CHECK(anna.next().data == "before");
  CHECK_FALSE(waits.done());
  REQUIRE(redis.command("CONFIG SET min-replicas-to-write 0") == "OK");
  REQUIRE(waits.wait());
  CHECK(waits.error() == std::error_code());
  CHECK(anna.next().data == "after");
  CHECK(nodes.there.next().data == "after");
  for (const RedisNodeServer* node : {&nodes.a, &nodes.b, &fresh}) {
    CHECK(node->comes_to([](const BusStatus& status) { return status.connected && status.reason.empty(); }));
  }
}

TEST_CASE("a Redis that takes no writes from the start is told", "[cluster][checks][durable]") {
  const RedisServer redis({"--min-replicas-to-write", "1"});
  const RedisNodeServer a(redis.url());
  CHECK(a.comes_to([](const BusStatus& s) { return s.reason.find("NOREPLICAS") != std::string::npos; }));
  CHECK_FALSE(a.bus->status().connected);
  REQUIRE(redis.command("CONFIG SET min-replicas-to-write 0") == "OK");
  CHECK(a.is_connected());
}

TEST_CASE("a Redis Cluster is refused, and the reason says so", "[cluster][checks]") {
  // By default it listens on a second port for other servers, which may be anybody's.
  const RedisServer redis({"--cluster-enabled", "yes", "--cluster-port", std::to_string(free_port())});
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast}) {
    RedisNodeServer a(redis_options(redis.url(), mode));
    REQUIRE(a.comes_to([](const BusStatus& status) {
      return status.reason.find("Redis Cluster is not supported") != std::string::npos;
    }));
    CHECK_FALSE(a.bus->status().connected);
  }
}

TEST_CASE("a log whose key is gone begins anew, for nodes that followed it and for fresh ones",
          "[cluster][checks][durable][gap]") {
  const RedisServer redis;
  TwoNodes nodes(redis.url());
  const std::string before = nodes.a.hub.sent(Audience::user("anna"), "before");
  CHECK(nodes.there.next().data == "before");
  nodes.a.hub.sent(Audience::user("anna"), "lost");
  CHECK(nodes.there.next().data == "lost");
  REQUIRE(redis.command("DEL spate:log") == "1");
  SECTION("it is noticed when it is appended to") {
    nodes.a.hub.sent(Audience::user("anna"), "after");
  }
  SECTION("it is noticed when it is read") {
    CHECK(nodes.b.comes_to([](const BusStatus& status) { return status.reconnects == 1; }));
    nodes.a.hub.sent(Audience::user("anna"), "after");
  }
  CHECK(nodes.there.next().name == "gap");
  CHECK(nodes.there.next().data == "after");
  RedisNodeServer c(redis.url());
  EventClient again = c.hub.open("/anna?greet=1", before);
  CHECK(again.next().data == "fresh");
  CHECK(again.next().name == "gap");
  CHECK(again.next().data == "after");
  CHECK(nodes.b.hub.server.stats().gaps == 1);
}

TEST_CASE("a fresh node does not resume in a log whose key was gone before it came",
          "[cluster][checks][durable][gap]") {
  const RedisServer redis;
  std::string id;
  {
    RedisNodeServer a(redis.url());
    id = a.hub.sent(Audience::user("anna"), "1");
    a.hub.sent(Audience::user("anna"), "2");
  }
  REQUIRE(redis.command("DEL spate:log") == "1");
  RedisNodeServer b(redis.url());
  REQUIRE(b.is_connected());
  EventClient anna = b.hub.open("/anna?greet=1", id);
  CHECK(anna.next().data == "fresh");
  CHECK(anna.next().name == "gap");
}

TEST_CASE("a user with the documented rights may all that a node does", "[cluster][checks][acl]") {
  const std::string rights =
      "~spate:* '&spate:*' +ping +info +wait +evalsha '+script|load' +get +set +del +exists +xadd +xread +xrange "
      "'+xinfo|stream' +xsetid +xtrim +zadd +zrem +zrangebyscore +zscore +zcount +time +pexpire +unlink +hset +hget "
      "+hdel "
      "+hgetall +hlen +hincrby +hscan +hrandfield +sadd +srem +scard +smembers +srandmember "
      "+subscribe +publish +hexists '+pubsub|numsub'";
  RedisServer redis;
  REQUIRE(redis.command("ACL SETUSER spate on '>secret' resetkeys resetchannels " + rights) == "OK");
  for (const ClusterMode mode : {ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast}) {
    CAPTURE(to_string(mode));
    spate::RedisOptions options = redis_options("redis://spate:secret@127.0.0.1:" + std::to_string(redis.port()), mode);
    options.wait_replicas = 0;
    options.log_bytes = 1'000;
    options.log_age = std::chrono::hours(1);
    TwoNodes nodes(options);
    for (int i = 0; i < 30; ++i) {
      nodes.a.hub.sent(Audience::user("anna"), "one " + std::to_string(i));
      CHECK(nodes.there.next().data == "one " + std::to_string(i));
    }
    CHECK(nodes.b.bus->status().reason.empty());
    CHECK(nodes.b.faults.size() == 0);
    // What only the tables of who is where need: of both nodes, and of one that has left.
    CHECK(eventually([&] { return cluster_users(nodes.a.hub.emitter) == Texts{"anna"}; }));
    nodes.b.bus->close();
    CHECK(eventually([&] { return cluster_counts(nodes.a.hub.emitter).users == 0; }));
  }
  CHECK(redis.command("ACL LOG").empty());
}
