// A replica takes over that lacks what its master had confirmed: nodes restore it, or every stream is told.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <spate/cluster/detail/log_id.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_proxy.hpp"
#include "support/redis_server.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::BusStatus;
using spate::Event;

namespace {

/// A master with a replica, behind an address that leads to whichever is in charge.
class Pair {
 public:
  explicit Pair(const std::vector<std::string>& settings = {})
      : master_(std::make_unique<RedisServer>(settings)),
        replica_(std::make_unique<RedisServer>(settings)),
        proxy(master_->port()) {
    replica_->follow(*master_);
  }

  std::string url() const { return proxy.url(); }
  const RedisServer& in_charge() const { return *master_; }
  const RedisServer& replica() const { return *replica_; }

  /// Waits until the replica has so many entries of the log.
  bool replica_has(int entries) const {
    return eventually([&] { return replica_->command("XLEN spate:log") == std::to_string(entries); });
  }
  /// What is confirmed from now on, the replica will never have.
  void replica_falls_behind() const { replica_->promote(); }
  /// The master dies, and the replica takes over.
  void fail_over() {
    proxy.lead_to(replica_->port());
    master_->kill();
    master_.swap(replica_);
  }

 private:
  std::unique_ptr<RedisServer> master_;
  std::unique_ptr<RedisServer> replica_;

 public:
  RedisProxy proxy;
};

std::string send(RedisNodeServer& node, int from, int to) {
  std::string id;
  for (const std::string& number : numbers(from, to)) id = node.hub.sent(Audience::user("anna"), number);
  return id;
}

/// Waits until a Redis gives out ids that are later than `id`, whichever Redis gave that out: they go by milliseconds.
void wait_for_later_ids(const std::string& id) {
  const std::uint64_t sequence = std::stoull(id.substr(id.find('-') + 1));
  const std::chrono::milliseconds then(sequence >> spate::detail::LogId::number_bits);
  REQUIRE(eventually([&] { return std::chrono::system_clock::now().time_since_epoch() > then + 1ms; }));
}

}  // namespace

TEST_CASE("what a promoted replica lacks is restored under its ids, and no stream is told a gap",
          "[cluster][failover][durable]") {
  Pair redis;
  TwoNodes nodes(redis.url());
  const std::string third = send(nodes.a, 1, 3);
  REQUIRE(redis.replica_has(3));
  redis.replica_falls_behind();
  const std::string sixth = send(nodes.a, 4, 6);
  redis.fail_over();
  send(nodes.b, 7, 9);
  CHECK(nodes.there.next_data(9) == numbers(1, 9));
  EventClient again = nodes.a.hub.open("/anna?greet=1", third);
  CHECK(again.next_data(7) == Texts{"resumed", "4", "5", "6", "7", "8", "9"});
  // A node that knows the new Redis only has it all too.
  RedisNodeServer c(redis.url());
  EventClient on_c = c.hub.open("/anna?greet=1", third), behind = c.hub.open("/anna?greet=1", sixth);
  CHECK(on_c.next_data(7) == Texts{"resumed", "4", "5", "6", "7", "8", "9"});
  CHECK(behind.next_data(4) == Texts{"resumed", "7", "8", "9"});
  for (RedisNodeServer* node : {&nodes.a, &nodes.b, &c}) CHECK(node->hub.server.stats().gaps == 0);
}

TEST_CASE("what a promoted replica without memory lacks is restored too", "[cluster][failover][durable]") {
  Pair redis;
  TwoNodes nodes(redis.url());
  const std::string third = send(nodes.a, 1, 3);
  REQUIRE(redis.replica_has(3));
  redis.replica_falls_behind();
  send(nodes.a, 4, 6);
  REQUIRE(redis.replica().command("CONFIG SET maxmemory 1") == "OK");
  redis.fail_over();
  for (const RedisNodeServer* node : {&nodes.a, &nodes.b}) {
    CHECK(node->comes_to([](const BusStatus& s) { return s.connected && s.reason.substr(0, 3) == "OOM"; }));
  }
  CHECK(redis.in_charge().command("XLEN spate:log") == "6");
  RedisNodeServer c(redis.url());
  EventClient on_c = c.hub.open("/anna?greet=1", third);
  CHECK(on_c.next_data(4) == Texts{"resumed", "4", "5", "6"});
  REQUIRE(redis.in_charge().command("CONFIG SET maxmemory 0") == "OK");
  send(nodes.b, 7, 9);
  CHECK(nodes.there.next_data(9) == numbers(1, 9));
  for (RedisNodeServer* node : {&nodes.a, &nodes.b, &c}) CHECK(node->hub.server.stats().gaps == 0);
}

TEST_CASE("an event that one node has read, whose answer was lost and which the new Redis lacks, comes once",
          "[cluster][failover][durable]") {
  Pair redis;
  RedisProxy to_publisher(redis.in_charge().port());
  TwoNodes nodes(redis_options(to_publisher.url()), redis_options(redis.url()));
  send(nodes.a, 1, 3);
  REQUIRE(redis.replica_has(3));
  redis.replica_falls_behind();
  to_publisher.lose_answers();
  const Sending unanswered(nodes.a.hub.emitter, Audience::user("anna"), Event("4"));
  CHECK(nodes.there.next_data(4) == numbers(1, 4));
  to_publisher.lead_to(redis.replica().port());
  redis.fail_over();
  REQUIRE(unanswered.wait());
  CHECK(unanswered.error() == std::error_code());
  send(nodes.a, 5, 6);
  CHECK(nodes.there.next_data(2) == numbers(5, 6));
  CHECK(redis.in_charge().command("XLEN spate:log") == "6");
  CHECK(nodes.b.hub.server.stats().gaps == 0);
}

TEST_CASE("after a failover that nobody saw a fresh node tells who resumes that something may be missing",
          "[cluster][failover][durable][gap]") {
  Pair redis;
  std::string third, sixth;
  {
    RedisNodeServer a(redis.url());
    third = send(a, 1, 3);
    REQUIRE(redis.replica_has(3));
    redis.replica_falls_behind();
    sixth = send(a, 4, 6);
    redis.fail_over();
  }
  RedisNodeServer b(redis.url());
  REQUIRE(b.is_connected());
  for (const std::string& cursor : {third, sixth}) {
    EventClient anna = b.hub.open("/anna?greet=1", cursor);
    CHECK(anna.next().data == "fresh");
    CHECK(anna.next().name == "gap");
  }
  // Who goes on from there misses nothing any more.
  const std::string seventh = send(b, 7, 7);
  EventClient later = b.hub.open("/anna?greet=1", seventh);
  CHECK(later.next().data == "resumed");
}

TEST_CASE("what cannot be restored is told once to every stream, also by a node that comes back late",
          "[cluster][failover][durable][gap]") {
  Pair redis;
  for (const RedisServer* server : {&redis.in_charge(), &redis.replica()}) {
    REQUIRE(server->command("ACL SETUSER b on '>secret' '~*' '&*' +@all") == "OK");
  }
  const spate::RedisOptions options_of_b = redis_options("redis://b:secret@" + redis.url().substr(8));
  auto a = std::make_unique<RedisNodeServer>(redis_options(redis.url()));
  RedisNodeServer b(options_of_b);
  REQUIRE(a->is_connected());
  REQUIRE(b.is_connected());
  EventClient on_b = b.hub.open("/anna?greet=1");
  on_b.next();
  const std::string third = send(*a, 1, 3);
  REQUIRE(redis.replica_has(3));
  redis.replica_falls_behind();
  send(*a, 4, 6);
  CHECK(on_b.next_data(6) == numbers(1, 6));
  // Of those who know, one goes for good, and the other one may not come back for a while.
  REQUIRE(redis.replica().command("ACL SETUSER b off") == "OK");
  redis.fail_over();
  a.reset();
  RedisNodeServer c(redis.url());
  EventClient on_c = c.hub.open("/anna?greet=1", third);
  CHECK(on_c.next().data == "fresh");
  CHECK(on_c.next().name == "gap");
  send(c, 7, 9);
  CHECK(on_c.next_data(3) == numbers(7, 9));
  REQUIRE(redis.in_charge().command("ACL SETUSER b on") == "OK");
  CHECK(on_b.next().name == "gap");
  CHECK(on_b.next_data(3) == numbers(7, 9));
  send(b, 10, 10);
  CHECK(on_b.next().data == "10");
  CHECK(on_c.next().data == "10");
  CHECK(b.hub.server.stats().gaps == 1);
  CHECK(c.hub.server.stats().gaps == 1);
}

TEST_CASE("what two masters took at the same time is told as a gap to the streams of both sides",
          "[cluster][failover][durable][gap]") {
  Pair redis;
  RedisProxy to_a(redis.in_charge().port());
  TwoNodes nodes(redis_options(to_a.url()), redis_options(redis.url()));
  EventClient here = nodes.a.hub.open("/anna?greet=1");
  here.next();
  const std::string first = send(nodes.a, 1, 1);
  for (EventClient* client : {&here, &nodes.there}) CHECK(client->next().data == "1");
  REQUIRE(redis.replica_has(1));
  // Of the two nodes one goes over to the replica, and misses the other there.
  redis.replica_falls_behind();
  redis.proxy.lead_to(redis.replica().port());
  redis.in_charge().command("CLIENT KILL TYPE normal");
  CHECK(nodes.there.next().name == "gap");
  const bool both_take_events = GENERATE(true, false);
  send(nodes.a, 2, 2);
  if (both_take_events) wait_for_later_ids(send(nodes.b, 3, 4));
  const std::string fifth = send(nodes.a, 5, 5);
  CHECK(here.next_data(2) == Texts{"2", "5"});
  to_a.lead_to(redis.replica().port());
  redis.fail_over();
  CHECK(here.next().name == "gap");
  if (both_take_events) {
    CHECK(nodes.there.next_data(3) == numbers(3, 5));
  } else {
    CHECK(nodes.there.next_data(2) == Texts{"2", "5"});
  }
  CHECK(nodes.there.next().name == "gap");
  send(nodes.a, 6, 6);
  for (EventClient* client : {&here, &nodes.there}) CHECK(client->next().data == "6");
  CHECK(nodes.a.hub.server.stats().gaps == 1);
  CHECK(nodes.b.hub.server.stats().gaps == 2);
  for (RedisNodeServer* node : {&nodes.a, &nodes.b}) {
    for (const std::string& cursor : {first, fifth}) {
      CHECK(node->hub.open("/anna?greet=1", cursor).next().data == "fresh");
    }
  }
}

TEST_CASE("an event that is sent again, since no node that had read it came in time, is not delivered there again",
          "[cluster][failover][durable][gap]") {
  Pair redis;
  for (const RedisServer* server : {&redis.in_charge(), &redis.replica()}) {
    REQUIRE(server->command("ACL SETUSER b on '>secret' '~*' '&*' +@all") == "OK");
  }
  RedisProxy to_publisher(redis.in_charge().port());
  TwoNodes nodes(redis_options(to_publisher.url()), redis_options("redis://b:secret@" + redis.url().substr(8)));
  send(nodes.a, 1, 3);
  REQUIRE(redis.replica_has(3));
  redis.replica_falls_behind();
  to_publisher.lose_answers();
  const Sending unanswered(nodes.a.hub.emitter, Audience::user("anna"), Event("4"));
  CHECK(nodes.there.next_data(4) == numbers(1, 4));
  REQUIRE(redis.replica().command("ACL SETUSER b off") == "OK");
  to_publisher.lead_to(redis.replica().port());
  redis.fail_over();
  REQUIRE(unanswered.wait());
  CHECK(unanswered.error() == std::error_code());
  REQUIRE(redis.in_charge().command("XLEN spate:log") == "5");  // with a mark
  REQUIRE(redis.in_charge().command("ACL SETUSER b on") == "OK");
  CHECK(nodes.there.next().name == "gap");
  send(nodes.a, 5, 5);
  CHECK(nodes.there.next().data == "5");
  CHECK(nodes.b.hub.server.stats().gaps == 1);
}

TEST_CASE("numbers of a new Redis whose clock is behind never fall below a position given out",
          "[cluster][failover][durable]") {
  Pair redis;
  TwoNodes nodes(redis.url());
  send(nodes.a, 1, 1);
  REQUIRE(redis.replica_has(1));
  redis.replica_falls_behind();
  // An hour ahead.
  const std::string ahead = std::to_string(
      std::chrono::duration_cast<std::chrono::milliseconds>((std::chrono::system_clock::now() + 1h).time_since_epoch())
          .count());
  REQUIRE(redis.in_charge().command("XSETID spate:log " + ahead + "-0") == "OK");
  const std::string second = send(nodes.a, 2, 2);
  CHECK(nodes.there.next_data(2) == numbers(1, 2));
  redis.fail_over();
  send(nodes.b, 3, 4);
  CHECK(nodes.there.next_data(2) == numbers(3, 4));
  EventClient again = nodes.b.hub.open("/anna?greet=1", second);
  CHECK(again.next_data(3) == Texts{"resumed", "3", "4"});
  CHECK(nodes.b.hub.server.stats().gaps == 0);
}

TEST_CASE("a node without leave to ask what Redis it is restores too what it knows to be missing",
          "[cluster][failover][durable]") {
  Pair redis;
  for (const RedisServer* server : {&redis.in_charge(), &redis.replica()}) {
    REQUIRE(server->command("ACL SETUSER a on '>secret' '~*' '&*' +@all -info") == "OK");
  }
  const spate::RedisOptions options = redis_options("redis://a:secret@" + redis.url().substr(8));
  TwoNodes nodes(options);
  send(nodes.a, 1, 3);
  REQUIRE(redis.replica_has(3));
  redis.replica_falls_behind();
  send(nodes.a, 4, 6);
  CHECK(nodes.there.next_data(6) == numbers(1, 6));
  redis.fail_over();
  send(nodes.b, 7, 9);
  CHECK(nodes.there.next_data(3) == numbers(7, 9));
  CHECK(redis.in_charge().command("XLEN spate:log") == "9");
}

TEST_CASE("a send that is to be replicated succeeds when a replica has it, and says so when none has",
          "[cluster][failover][durable]") {
  const RedisServer master;
  spate::RedisOptions options = redis_options(master.url());
  options.wait_replicas = 1;
  options.wait_timeout = 50ms;
  TwoNodes nodes(options);
  const Sending alone(nodes.a.hub.emitter, Audience::user("anna"), Event("1"));
  REQUIRE(alone.wait());
  CHECK(alone.error() == spate::Errc::bus_not_replicated);
  CHECK(nodes.there.next().data == "1");
  CHECK(nodes.a.bus->status().reason.find("0 of 1 replicas") != std::string::npos);
  const RedisServer replica;
  replica.follow(master);
  // It is waited for longer: it need not be quick.
  options.wait_timeout = 5s;
  RedisNodeServer c(options);
  REQUIRE(c.is_connected());
  REQUIRE(all_succeed(send_numbers(c, 2, 300)));
  CHECK(nodes.there.next_data(299) == numbers(2, 300));
  CHECK(replica.command("XLEN spate:log") == "300");
  // That a master has got a replica is no failover.
  for (const RedisNodeServer* node : {&nodes.a, &nodes.b, &c}) CHECK(node->hub.server.stats().gaps == 0);
}

TEST_CASE("a send that is to be replicated, and whose answer is lost, is told that nobody knows of replicas",
          "[cluster][failover][durable]") {
  const RedisServer redis;
  RedisProxy to_publisher(redis.port());
  spate::RedisOptions options = redis_options(to_publisher.url());
  options.wait_replicas = 1;
  options.reply_timeout = 300ms;
  TwoNodes nodes(options, redis_options(redis.url()));
  to_publisher.lose_answers();
  const Sending unanswered(nodes.a.hub.emitter, Audience::user("anna"), Event("1"));
  CHECK(nodes.there.next().data == "1");
  // When its publisher is back, it finds the event in the log.
  REQUIRE(unanswered.wait());
  CHECK(unanswered.error() == spate::Errc::bus_not_replicated);
  CHECK(nodes.a.comes_to([](const BusStatus& status) { return status.connected && status.queued == 0; }));
}
