// Directed and broadcast mode when Redis cannot be heard: it is noticed, said, and told to the streams as a gap.
#include <chrono>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include <asio/strand.hpp>

#include <spate/cluster/detail/asio_redis_io.hpp>
#include <spate/cluster/detail/redis_pulse.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/cluster_answers.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_proxy.hpp"
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

// What Redis is given until a node must have noticed.
constexpr auto noticed_within = 5s;

bool is_degraded(const BusStatus& status) {
  return !status.connected && !status.reason.empty();
}
bool is_well(const BusStatus& status) {
  return status.connected && status.reason.empty();
}

}  // namespace

TEST_CASE("a connection that listens and is half open is noticed, and what it lost is told as one gap",
          "[cluster][relay][fault]") {
  const RedisServer redis;
  RedisProxy proxy(redis.port());
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  TwoNodes nodes(redis_options(redis.url(), mode, "a"), redis_options(proxy.url(), mode, "b"));
  nodes.a.hub.sent(Audience::user("anna"), "before");
  CHECK(nodes.there.next().data == "before");
  proxy.set_half_open(true);
  const auto broke = std::chrono::steady_clock::now();
  nodes.a.hub.sent(Audience::user("anna"), "lost");
  REQUIRE(nodes.b.comes_to(is_degraded));
  CHECK(std::chrono::steady_clock::now() - broke < noticed_within);
  CHECK_THAT(nodes.b.bus->status().reason, ContainsSubstring("no answer for"));
  proxy.set_half_open(false);
  REQUIRE(nodes.b.comes_to(is_well));
  nodes.a.hub.sent(Audience::user("anna"), "after");
  const auto gap = nodes.there.next();
  CHECK(gap.name == "gap");
  CHECK_THAT(gap.data, ContainsSubstring("\"oldest\":null,\"reason\":\"trimmed\""));
  CHECK(nodes.there.next().data == "after");
  CHECK(nodes.b.hub.server.stats().gaps == 1);
}

TEST_CASE("a node that listens where nobody publishes notices it", "[cluster][relay][fault]") {
  const RedisServer redis;
  Loop loop;
  const asio::any_io_executor strand = asio::make_strand(loop.io);
  Journal faults;
  const auto io = std::make_shared<spate::detail::AsioRedisIo>(strand);
  spate::detail::RedisPulse pulse(*io, 400ms);
  spate::detail::RedisSession::Events events;
  std::shared_ptr<spate::detail::RedisSession> session;
  // The Redis of the commands knows of nobody who listens to "ear".
  events.ready = [&] { session->listening().subscribe({"another"}, [&] { pulse.begin(session, "ear"); }); };
  events.lost = [&](std::error_code, const std::string& why) { faults.add(why); };
  spate::detail::post_function(strand, [&] {
    session = std::make_shared<spate::detail::RedisSession>(io, spate::detail::parse_redis_url(redis.url()), 1s,
                                                            std::move(events));
    session->start();
  });
  CHECK(faults.wait_for(1) == Texts{"the Redis that takes commands does not know the connection that listens"});
  Awaited<bool> ended;
  spate::detail::post_function(strand, [&] {
    pulse.end();
    session = nullptr;
    ended.set(true);
  });
  CHECK(ended.get());
}

TEST_CASE("a Redis that became a replica under its connections is a lost connection, until it is a master again",
          "[cluster][relay][fault]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  RedisNodeServer a(redis_options(redis.url(), mode, "a"));
  REQUIRE(a.is_connected());
  REQUIRE(redis.command("REPLICAOF 127.0.0.1 1") == "OK");
  const auto demoted = std::chrono::steady_clock::now();
  REQUIRE(a.comes_to(is_degraded));
  CHECK(std::chrono::steady_clock::now() - demoted < noticed_within);
  const std::string reason = a.bus->status().reason;
  CHECK_THAT(reason, ContainsSubstring("READONLY") || ContainsSubstring("replica"));
  REQUIRE(redis.command("REPLICAOF NO ONE") == "OK");
  CHECK(a.comes_to(is_well));
}

TEST_CASE("a node that may not keep its lease never says that it is well", "[cluster][fault]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const bool from_the_start = GENERATE(true, false);
  redis.command("ACL SETUSER b on '>secret' '~*' '&*' +@all" + std::string(from_the_start ? " -zadd" : ""));
  spate::RedisOptions options = redis_options(redis.url(), mode, "b");
  options.url = "redis://b:secret@127.0.0.1:" + std::to_string(redis.port());
  RedisNodeServer b(options);
  if (!from_the_start) {
    REQUIRE(b.is_connected());
    REQUIRE(redis.command("ACL SETUSER b -zadd") == "OK");
  }
  REQUIRE(b.comes_to(
      [](const BusStatus& s) { return is_degraded(s) && s.reason.find("lease cannot be kept") != std::string::npos; }));
  if (from_the_start) CHECK(b.bus->status().reconnects == 0);
  redis.command("ACL SETUSER b +zadd");
  CHECK(b.comes_to(is_well));
}

TEST_CASE("after every reconnect the streams of a relaying node are told one gap each", "[cluster][relay][gap]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const std::string kill = GENERATE("CLIENT KILL TYPE pubsub", "CLIENT KILL TYPE normal");
  TwoNodes nodes(redis_options(redis.url(), mode, "a"), redis_options(redis.url(), mode, "b"));
  EventClient bert = nodes.b.hub.open("/bert?greet=1");
  bert.next();
  const std::string seen = nodes.b.hub.sent(Audience::user("anna"), "seen");
  CHECK(nodes.there.next().data == "seen");
  redis.command(kill);
  for (RedisNodeServer* node : {&nodes.a, &nodes.b}) {
    REQUIRE(node->comes_to([](const BusStatus& status) { return status.reconnects == 1 && is_well(status); }));
  }
  nodes.a.hub.sent(Audience::everybody(), "after");
  for (EventClient* client : {&nodes.there, &bert}) {
    CHECK(client->next().name == "gap");
    CHECK(client->next().data == "after");
  }
  CHECK(nodes.b.hub.server.stats().gaps == 2);
  // Who resumes from before it is told, too.
  EventClient again = nodes.b.hub.open("/anna?greet=1", seen);
  CHECK(again.next().data == "fresh");
  CHECK(again.next().name == "gap");
  CHECK(again.next().data == "after");
}

TEST_CASE("a node that Redis cut off because it read too slowly tells its streams a gap", "[cluster][relay][gap]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  TwoNodes nodes(redis_options(redis.url(), mode, "a"), redis_options(redis.url(), mode, "b"));
  REQUIRE(redis.command("CONFIG SET client-output-buffer-limit 'pubsub 20000 0 0'") == "OK");
  // Larger than Redis lets wait for a client: so none gets it from there.
  nodes.a.hub.emitter.broadcast(Event(std::string(1'000'000, 'x')));
  REQUIRE(nodes.b.comes_to([](const BusStatus& status) { return status.reconnects >= 1 && is_well(status); }));
  REQUIRE(nodes.a.comes_to(is_well));
  nodes.a.hub.sent(Audience::user("anna"), "after");
  CHECK(nodes.there.next().name == "gap");
  CHECK(nodes.there.next().data == "after");
}

TEST_CASE("streams that opened while Redis was away are told that they may have missed something, once",
          "[cluster][relay][gap]") {
  RedisServer redis({}, RedisServer::State::not_started);
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  RedisNodeServer a(redis_options(redis.url(), mode, "a"));
  EventClient early = a.hub.open("/anna?greet=1");
  early.next();
  REQUIRE(a.comes_to([](const BusStatus& status) { return status.reason.find("refused") != std::string::npos; }));
  redis.start();
  REQUIRE(a.is_connected());
  EventClient late = a.hub.open("/anna?greet=1");
  late.next();
  a.hub.sent(Audience::user("anna"), "here");
  CHECK(early.next().name == "gap");
  CHECK(early.next().data == "here");
  CHECK(late.next().data == "here");
}

TEST_CASE("a bus says what is wrong and never where", "[cluster][fault]") {
  RedisServer redis;
  redis.command("ACL SETUSER weak on '>secret' '~*' '&*' +@all -evalsha");
  const std::string port = std::to_string(redis.port());
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  std::vector<std::unique_ptr<RedisNodeServer>> nodes;
  for (const std::string url : {"redis://127.0.0.1:1", "redis://no-such-host.invalid:6379",
                                "redis://:wrong@127.0.0.1:", "redis://weak:secret@127.0.0.1:"}) {
    nodes.push_back(std::make_unique<RedisNodeServer>(redis_options(url.back() == ':' ? url + port : url, mode)));
  }
  RedisNodeServer well(redis_options(redis.url(), mode));
  REQUIRE(well.is_connected());
  redis.kill();
  REQUIRE(well.comes_to(is_degraded));
  const auto says_no_place = [&](const RedisNodeServer& node) {
    const std::string reason = node.bus->status().reason;
    for (const std::string& place : {std::string("127.0.0.1"), port, std::string("6379"), std::string("invalid")}) {
      CHECK(reason.find(place) == std::string::npos);
    }
    // Who runs it is told where.
    CHECK_THAT(node.faults.wait_for(1).back(), ContainsSubstring("127.0.0.1:") || ContainsSubstring("invalid:"));
  };
  for (const auto& node : nodes) {
    REQUIRE(node->comes_to(is_degraded));
    REQUIRE(node->faults.wait_for(1).size() >= 1);
    says_no_place(*node);
  }
  says_no_place(well);
}
