// What a bus tells besides events for users: commands, topics, and for how long an event is to be kept. To listeners of
// the test's own, in place of emitters.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/redis_bus.hpp>
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/noting_listener.hpp"
#include "support/redis_nodes.hpp"
#include "support/redis_server.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::ClusterMode;
using spate::Event;
using spate::RedisBus;
using spate::RedisOptions;
using spate::UserCommand;
using spate::UserCounts;
using spate::UserStreams;

namespace {

/// A bus and its listener, on a loop of its own.
class BusNode {
 public:
  explicit BusNode(const RedisOptions& options, std::vector<UserStreams> users = {})
      : bus(std::make_shared<RedisBus>(loop.io.get_executor(), options)),
        listener(std::make_shared<NotingListener>(std::move(users))) {
    bus->attach(listener);
  }
  BusNode(const BusNode&) = delete;
  BusNode& operator=(const BusNode&) = delete;
  ~BusNode() { bus->close(); }

  bool is_connected() const {
    return eventually([&] { return bus->status().connected; });
  }
  void publish(const Audience& audience, const Event& event) const { REQUIRE_FALSE(bus->publish(audience, event, {})); }
  void command(const UserCommand& command) const { REQUIRE_FALSE(bus->command(command)); }

  /// Waits until nothing of what it has been given waits for Redis.
  bool has_sent() const {
    return eventually([&] { return bus->status().queued == 0; });
  }
  /// What it is told, once there are as many notes as expected.
  Texts notes(std::size_t count) const { return listener->notes.wait_for(count); }

  Loop loop;
  const std::shared_ptr<RedisBus> bus;
  const std::shared_ptr<NotingListener> listener;
};

const UserCommand join{UserCommand::Kind::join, "anna", {"room", "caf\xC3\xA9"}};
const UserCommand leave{UserCommand::Kind::leave, "anna", {"room"}};
const UserCommand removal{UserCommand::Kind::remove, "anna", {}};
const std::vector<std::string> topics{"room", "hall"};

}  // namespace

TEST_CASE("commands and what is for topics reach all nodes, in the order of their publisher", "[cluster][command]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const BusNode a(redis_options(redis.url(), mode, "a")), b(redis_options(redis.url(), mode, "b"), {{"anna", 1}}),
      c(redis_options(redis.url(), mode, "c"));
  for (const BusNode* node : {&a, &b, &c}) REQUIRE(node->is_connected());
  // So that in directed mode what is for her goes to that node alone.
  REQUIRE(eventually([&] {
    Awaited<std::size_t> users;
    a.bus->ask_counts([&](std::error_code error, UserCounts counts) { users.set(error ? 0 : counts.users); });
    return users.get() == 1;
  }));
  const bool logs = mode == ClusterMode::durable;
  const Texts number = logs ? Texts{"passing, users"} : Texts();
  Texts expected_on_b = logs ? Texts{"restarted"} : Texts();
  for (int round = 0; round < 50; ++round) {
    const std::string text = std::to_string(round);
    a.publish(Audience::user("anna"), Event(text));
    a.command(round % 2 == 0 ? join : leave);
    a.publish(Audience::topic("room"), Event(text));
    a.command(removal);
    a.publish(Audience::topics(topics), Event(text));
    expected_on_b.push_back("user anna: " + text);
    expected_on_b.insert(expected_on_b.end(), number.begin(), number.end());
    expected_on_b.push_back(words_of(round % 2 == 0 ? join : leave));
    expected_on_b.push_back("topic room: " + text);
    expected_on_b.insert(expected_on_b.end(), number.begin(), number.end());
    expected_on_b.push_back("remove anna");
    expected_on_b.push_back("topics room hall: " + text);
  }
  Texts expected_on_c = expected_on_b;
  if (mode == ClusterMode::directed) {
    std::erase_if(expected_on_c, [](const std::string& note) { return note.starts_with("user anna"); });
  }
  CHECK(b.notes(expected_on_b.size()) == expected_on_b);
  CHECK(c.notes(expected_on_c.size()) == expected_on_c);
  // One that keeps a log tells whoever sent it as well. From one that relays this is the first to come here.
  b.publish(Audience::everybody(), Event("end"));
  Texts expected_on_a = logs ? expected_on_b : Texts();
  expected_on_a.push_back("everybody: end");
  CHECK(a.notes(expected_on_a.size()) == expected_on_a);
  for (const BusNode* node : {&a, &b, &c}) CHECK(node->bus->status().skipped == 0);
  CHECK(a.bus->status().published == 250);
}

TEST_CASE("what an event asks for goes with it to all nodes", "[cluster][keep]") {
  const RedisServer redis;
  const auto mode = GENERATE(ClusterMode::durable, ClusterMode::directed, ClusterMode::broadcast);
  CAPTURE(to_string(mode));
  const BusNode a(redis_options(redis.url(), mode, "a")), b(redis_options(redis.url(), mode, "b")),
      c(redis_options(redis.url(), mode, "c"));
  for (const BusNode* node : {&a, &b, &c}) REQUIRE(node->is_connected());
  a.publish(Audience::everybody(), Event("1").keep_for(1h));
  a.publish(Audience::everybody(), Event("typing").keep(false));
  a.publish(Audience::topic("room"), Event("typing there").keep(false));
  a.publish(Audience::everybody(), Event("2"));
  Texts expected{"everybody: 1", "passing, everybody: typing", "passing, topic room: typing there", "everybody: 2"};
  if (mode == ClusterMode::durable) expected.insert(expected.begin(), "restarted");
  for (const BusNode* node : {&b, &c}) {
    CHECK(node->notes(expected.size()) == expected);
    const std::vector<Event> events = node->listener->events();
    REQUIRE(events.size() == 4);
    if (mode == ClusterMode::durable) {
      CHECK(events[0].kept_for() <= 1h);
      CHECK(events[0].kept_for() > 59min);
    } else {
      CHECK(events[0].kept_for() == 1h);
    }
    CHECK(events[3] == Event("2"));
  }
}

TEST_CASE("what is not to be kept takes a number of the log that nobody misses", "[cluster][durable][keep]") {
  const RedisServer redis;
  const BusNode a(redis_options(redis.url()));
  REQUIRE(a.is_connected());
  const auto published = [&](const Event& event) {
    Awaited<std::uint64_t> at;
    REQUIRE_FALSE(a.bus->publish(Audience::everybody(), event,
                                 [&](std::error_code error, std::uint64_t sequence) { at.set(error ? 0 : sequence); }));
    return at.get();
  };
  const std::uint64_t first = published(Event("1")), typing = published(Event("typing").keep(false));
  CHECK(first > 0);
  CHECK(typing > first);
  a.command(join);
  REQUIRE(a.has_sent());
  // The log ends with what is nobody's, also for a node that starts now; to each of them its end is told once more
  // after a quiet second.
  const BusNode late(redis_options(redis.url()));
  for (const BusNode* node : {&a, &late}) {
    CHECK(eventually([&] { return node->listener->ends() > 1 && node->listener->newest() > typing; }));
    CHECK_FALSE(node->listener->has_gap("anna"));
    CHECK(node->listener->kept_for("anna").size() == 1);
  }
  CHECK(late.notes(4) == Texts{"restarted", "everybody: 1", "passing, everybody: typing", "passing, users"});
  CHECK(a.notes(5).back() == words_of(join));
}

TEST_CASE("a node that starts is told no old commands; one that was away is told those that it missed, once",
          "[cluster][durable][command]") {
  const RedisServer redis;
  REQUIRE(redis.command("ACL SETUSER b on '>secret' '~*' '&*' +@all") == "OK");
  RedisOptions options_of_b = redis_options(redis.url(), ClusterMode::durable, "b");
  options_of_b.url = "redis://b:secret@127.0.0.1:" + std::to_string(redis.port());
  const BusNode a(redis_options(redis.url())), b(options_of_b);
  REQUIRE(a.is_connected());
  REQUIRE(b.is_connected());
  a.command(join);
  Texts expected{"restarted", "passing, users", words_of(join)};
  CHECK(b.notes(3) == expected);
  REQUIRE(redis.command("ACL SETUSER b off") == "OK");
  redis.command("CLIENT KILL USER b");
  REQUIRE(eventually([&] { return !b.bus->status().connected; }));
  a.command(leave);
  a.publish(Audience::everybody(), Event("1"));
  a.command(removal);
  REQUIRE(a.has_sent());
  // What a node sends that is away comes after what it missed.
  b.command(join);
  REQUIRE(redis.command("ACL SETUSER b on") == "OK");
  for (const std::string& note :
       {std::string("passing, users"), words_of(leave), std::string("everybody: 1"), std::string("passing, users"),
        words_of(removal), std::string("passing, users"), words_of(join)}) {
    expected.push_back(note);
  }
  for (const BusNode* node : {&a, &b}) CHECK(node->notes(expected.size()) == expected);
  const BusNode c(redis_options(redis.url()));
  REQUIRE(c.is_connected());
  a.command(leave);
  const std::string number = "passing, users";
  CHECK(c.notes(8) == Texts{"restarted", number, number, "everybody: 1", number, number, number, words_of(leave)});
}

TEST_CASE("a node that starts keeps an event for what is left of its time, and no longer than that",
          "[cluster][durable][keep]") {
  const RedisServer redis;
  const BusNode a(redis_options(redis.url()));
  REQUIRE(a.is_connected());
  a.publish(Audience::everybody(), Event("long").keep_for(1h));
  a.publish(Audience::everybody(), Event("short").keep_for(300ms));
  a.publish(Audience::everybody(), Event("always"));
  REQUIRE(a.has_sent());
  const Texts all{"restarted", "everybody: long", "everybody: short", "everybody: always"};
  Texts notes;
  // Nodes that start before it has expired are told of it as it is, with less and less of its time.
  std::chrono::milliseconds left = 300ms;
  REQUIRE(eventually([&] {
    const BusNode late(redis_options(redis.url()));
    notes = late.notes(4);
    const std::vector<Event> events = late.listener->events();
    if (events.size() != 3) return false;
    const bool expired = !events[1].kept();
    if (expired) {
      CHECK(events[0].kept_for() <= 1h - 300ms);
      CHECK(events[0].kept_for() > 59min);
      CHECK(late.listener->kept_for("anna").size() == 2);
      CHECK(eventually([&] { return late.listener->ends() > 0; }));
      CHECK_FALSE(late.listener->has_gap("anna"));
    } else {
      CHECK(notes == all);
      CHECK(events[1].kept_for() <= left);
      left = events[1].kept_for();
    }
    return expired;
  }));
  CHECK(notes == Texts{"restarted", "everybody: long", "passing, everybody: short", "everybody: always"});
}
