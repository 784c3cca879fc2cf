// The way of events to a Redis in memory, and how their fate is told.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/redis_sender.hpp>
#include <spate/error.hpp>
#include "support/catch.hpp"
#include "support/held_redis.hpp"
#include "support/texts.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Errc;
using spate::Event;
using spate::RedisOptions;
using spate::UserCommand;

namespace {

RedisOptions with_replicas(std::size_t count) {
  RedisOptions options;
  options.wait_replicas = count;
  return options;
}

BusMessage decoded(const std::string& message) {
  std::string why;
  const auto decoded = BusMessageCodec::decode(message, why);
  REQUIRE(decoded);
  return *decoded;
}

/// The place of the log's `number`-th entry.
std::uint64_t place(std::uint64_t number) {
  return *LogId::parse(std::to_string(number) + "-0");
}

/// A sender with the session of its node, and what it tells.
class HeldSender {
 public:
  explicit HeldSender(RedisOptions with = {}) : options(std::move(with)) {
    redis->lose_log("epoch");
    RedisSender::Events events;
    events.refused = [this](const std::string& why) { notes.push_back("refused: " + why); };
    events.appended = [this](std::uint64_t sequence, std::string_view message) {
      notes.push_back("appended " + data(std::string(message)) + " at " + LogId::format(sequence));
    };
    events.make_room = [this](std::size_t) { return rooms > 0 && rooms-- > 0; };
    events.wake = [this] {
      if (no_memory) throw std::bad_alloc();
      redis->post([this] { sender->send_more(); });
    };
    sender.emplace(*redis, options, keys, 1, "1", std::move(events));
  }
  HeldSender(const HeldSender&) = delete;
  HeldSender& operator=(const HeldSender&) = delete;
  ~HeldSender() {
    disconnect();
    redis->turn();
  }

  void connect() {
    RedisSession::Events events;
    events.ready = [this] { sender->begin(session, "epoch"); };
    events.lost = [this](std::error_code, const std::string& why) {
      notes.push_back("lost: " + why);
      disconnect();
    };
    session = begin_session(redis, std::move(events));
    redis->turn();
  }
  void disconnect() {
    if (const auto over = std::exchange(session, nullptr)) over->close();
    sender->end();
  }

  std::error_code publish(const std::string& text, const Audience& audience = Audience::everybody()) {
    const std::error_code error =
        sender->push(audience, Event(text), [this, text](std::error_code fate, std::uint64_t at) {
          notes.push_back(text.substr(0, 10) + ": " + (fate ? fate.message() : "published, " + LogId::format(at)));
        });
    redis->turn();
    return error;
  }
  void publish_numbers(int from, int to) {
    for (int i = from; i <= to; ++i) publish(std::to_string(i));
  }

  /// The node reads the log from its `from`-th entry on.
  void read_log(std::uint64_t from = 1) {
    const Texts all = redis->log();
    for (std::uint64_t number = from; number <= all.size(); ++number) {
      sender->seen(decoded(all[static_cast<std::size_t>(number - 1)]).counter, place(number));
    }
  }

  /// The data of an event; of a command its user.
  static std::string data(const std::string& message) {
    const BusMessage content = decoded(message);
    return content.command ? "command " + content.command->user : *content.event.data();
  }
  /// What the log has.
  Texts logged() const {
    Texts texts;
    for (const std::string& message : redis->log()) texts.push_back(data(message));
    return texts;
  }
  /// What was sent since the last call: an event, with a star when it is the first of a sequence.
  Texts take_sent() {
    Texts texts;
    const auto all = redis->all("append");
    for (; told < all.size(); ++told) {
      texts.push_back(data(all[told].arguments[5]) + (all[told].arguments[2] == "1" ? "*" : ""));
    }
    return texts;
  }
  Texts take_notes() { return std::exchange(notes, {}); }
  BusStatus status() const {
    BusStatus status;
    status.connected = session != nullptr;
    sender->report(status);
    return status;
  }

  const std::shared_ptr<HeldRedis> redis = std::make_shared<HeldRedis>();
  const RedisOptions options;
  const RedisKeys keys{"spate:", "a"};
  std::optional<RedisSender> sender;
  std::shared_ptr<RedisSession> session;
  Texts notes;
  std::size_t told = 0;
  int rooms = 0;  // how often room can be made
  bool no_memory = false;
};

}  // namespace

// ---- with a log ----

TEST_CASE("an event is published when Redis has it and its node has read it back", "[cluster][sender]") {
  HeldSender held;
  held.connect();
  held.publish("hello");
  CHECK(held.logged() == Texts{"hello"});
  CHECK(held.take_notes() == Texts{"appended hello at 1-0"});
  held.read_log();
  CHECK(held.take_notes() == Texts{"hello: published, 1-0"});
  CHECK(held.status().published == 1);
  CHECK(held.status().queued == 0);
}

TEST_CASE("a command goes into the log in its place, again and again until it is there", "[cluster][sender]") {
  HeldSender held;
  held.publish("1");
  CHECK_FALSE(held.sender->push(UserCommand{UserCommand::Kind::remove, "anna", {}}));
  held.publish("2");
  CHECK(held.status().queued == 3);
  held.redis->hold("append");
  held.connect();
  CHECK(held.take_sent() == Texts{"1*", "command anna", "2"});
  held.redis->cut();
  held.redis->let_go("append");
  held.connect();
  CHECK(held.take_sent() == Texts{"1*", "command anna", "2"});
  CHECK(held.logged() == Texts{"1", "command anna", "2"});
  held.read_log();
  CHECK(held.status().queued == 0);
  CHECK(held.status().published == 3);
}

TEST_CASE("the log may be faster than the answer of Redis", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish("hello");
  held.sender->seen(1, place(1));
  CHECK(held.take_notes() == Texts{"hello: published, 1-0"});
  held.redis->reply("append", resp::bulk("1-0"));
  CHECK(held.take_notes() == Texts{"appended hello at 1-0"});
  CHECK(held.status().queued == 0);
}

TEST_CASE("an event that was trimmed before its node read it is published all the same", "[cluster][sender]") {
  HeldSender held;
  held.connect();
  held.publish("hello");
  held.publish("again");
  held.take_notes();
  held.sender->reached_end(place(1));
  CHECK(held.take_notes() == Texts{"hello: published, 1-0"});
  held.sender->log_lost();
  CHECK(held.take_notes() == Texts{"again: published, 2-0"});
}

TEST_CASE("what waits for Redis goes when it is there, in order", "[cluster][sender]") {
  HeldSender held;
  held.publish_numbers(1, 3);
  CHECK(held.status().queued == 3);
  CHECK(held.take_sent().empty());
  held.connect();
  CHECK(held.take_sent() == Texts{"1*", "2", "3"});
  CHECK(held.logged() == Texts{"1", "2", "3"});
}

TEST_CASE("no more than a window of events is on the way at a time", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish_numbers(1, 300);
  CHECK(held.take_sent().size() == 256);
  held.redis->answer("append");
  CHECK(held.take_sent() == Texts{"257"});
  held.redis->let_go("append");
  CHECK(held.take_sent().size() == 43);
  CHECK(held.logged().size() == 300);
  CHECK(held.status().queued == 0);
}

TEST_CASE("what has no answer when the connection breaks is sent again over the next one", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish_numbers(1, 4);
  held.redis->reply("append", resp::bulk("1-0"));
  CHECK(held.take_sent() == Texts{"1*", "2", "3", "4"});
  held.take_notes();
  held.redis->cut();
  // The log is not read for a while: what Redis has confirmed need not wait for that.
  CHECK(held.take_notes() == Texts{"lost: Connection reset by peer", "1: published, 1-0"});
  held.connect();
  CHECK(held.take_sent() == Texts{"2*", "3", "4"});
}

TEST_CASE("what was read back is not sent again, though its answer was lost", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish_numbers(1, 3);
  held.take_sent();
  held.sender->seen(1, place(1));
  held.sender->seen(2, place(2));
  held.redis->cut();
  CHECK(held.take_notes() == Texts{"1: published, 1-0", "2: published, 2-0", "lost: Connection reset by peer"});
  held.connect();
  CHECK(held.take_sent() == Texts{"3*"});
  CHECK(held.status().published == 2);
}

TEST_CASE("what Redis had before is not appended again, and is published when it has been looked for",
          "[cluster][sender]") {
  HeldSender held;
  held.connect();
  held.publish("hello");
  held.redis->fail_after(1, HeldRedis::Lost::before);  // the answer
  held.publish("again");
  CHECK(held.logged() == Texts{"hello", "again"});
  held.take_notes();
  held.connect();
  CHECK(held.logged() == Texts{"hello", "again"});
  CHECK(held.take_notes().empty());
  SECTION("it is in the log") {
    held.read_log();
    CHECK(held.take_notes() == Texts{"again: published, 2-0"});
  }
  SECTION("it is not in what is left of the log, which has been read twice") {
    held.sender->reached_end(place(5));
    CHECK(held.take_notes().empty());
    held.sender->reached_end(place(5));
    CHECK(held.take_notes() == Texts{"again: published, 0-0"});
  }
}

TEST_CASE("whichever operation fails, each event is in the log once and in order, and its fate is told once",
          "[cluster][sender]") {
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  bool fails = true;
  for (std::size_t operations = 0; fails; ++operations) {
    INFO("after " << operations << " operations");
    HeldSender held;
    held.redis->fail_after(operations, lost);
    held.publish_numbers(1, 2);
    held.connect();
    held.publish_numbers(3, 4);
    held.publish_numbers(5, 6);
    fails = held.redis->has_failed();
    if (fails) {
      CHECK(held.session == nullptr);
      held.connect();
    }
    held.read_log();
    CHECK(held.logged() == Texts{"1", "2", "3", "4", "5", "6"});
    for (int i = 1; i <= 6; ++i) {
      const std::string fate = std::to_string(i) + ": published, ";
      CHECK(std::count_if(held.notes.begin(), held.notes.end(),
                          [&](const std::string& note) { return note.starts_with(fate); }) == 1);
    }
    CHECK(held.status().published == 6);
    CHECK(held.status().queued == 0);
  }
}

TEST_CASE("when one event fails, those after it fail too, and all are sent again after a pause", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish_numbers(1, 4);
  held.redis->reply("append", resp::bulk("1-0"));
  held.take_notes();
  held.take_sent();
  held.redis->reply("append", resp::error("MISCONF no disk script: f_1, on @user_script:2."));
  // It is told once, without the place in the script.
  CHECK(held.take_notes() == Texts{"refused: MISCONF no disk"});
  CHECK(held.status().reason == "MISCONF no disk");
  held.publish("5");
  CHECK(held.take_sent().empty());  // it keeps its place
  held.redis->reply("append", resp::error("ORDER an earlier event has failed"));
  held.redis->reply("append", resp::error("ORDER an earlier event has failed"));
  CHECK(held.take_notes().empty());
  held.redis->let_pass(199ms);
  CHECK(held.take_sent().empty());
  held.redis->let_pass(1ms);
  CHECK(held.take_sent() == Texts{"2*", "3", "4", "5"});
  held.redis->reply("append", resp::bulk("2-0"));
  CHECK(held.status().reason.empty());
}

TEST_CASE("a connection that breaks in that pause ends it: all are sent over the next one at once",
          "[cluster][sender]") {
  HeldSender held;
  held.connect();
  held.redis->reply("append", resp::error("MISCONF no disk"));
  held.publish("1");
  CHECK(held.redis->next_moment() <= held.redis->now() + 200ms);
  held.take_sent();
  held.disconnect();
  CHECK(held.redis->next_moment() == never);  // nothing keeps a program from ending
  CHECK(held.status().reason.empty());
  held.connect();
  CHECK(held.take_sent() == Texts{"1*"});
  held.publish("2");
  CHECK(held.logged() == Texts{"1", "2"});
}

TEST_CASE("an event for which Redis has no memory is sent again at once when some was made", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish("hello");
  held.take_sent();
  held.rooms = 1;
  held.redis->reply("append", resp::error("OOM command not allowed"));
  CHECK(held.take_sent() == Texts{"hello*"});
  // There is nothing left to trim.
  held.redis->reply("append", resp::error("OOM command not allowed"));
  CHECK(held.take_sent().empty());
  held.redis->let_pass(200ms);
  CHECK(held.take_sent() == Texts{"hello*"});
}

TEST_CASE("a large event that finds no memory is given up, so that others may have it; a small one waits",
          "[cluster][sender]") {
  const bool large = GENERATE(true, false);
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish(large ? std::string(16 * 1024, 'x') : "xxxxxxxxxx");
  held.publish("next");
  for (int attempt = 1; attempt <= 4; ++attempt) {
    CHECK(held.redis->count("append") == static_cast<std::size_t>(attempt) * 2);
    held.take_notes();
    held.redis->reply("append", resp::error("OOM command not allowed"));
    held.redis->reply("append", resp::error("ORDER an earlier event has failed"));
    if (attempt < 4) held.redis->let_pass(200ms);
  }
  if (large) {
    CHECK(held.take_notes() ==
          Texts{"refused: OOM command not allowed", "xxxxxxxxxx: " + make_error_code(Errc::bus_refused).message()});
    CHECK(held.redis->count("append") == 9);
    CHECK(held.status().refused == 1);
  } else {
    CHECK(held.take_notes() == Texts{"refused: OOM command not allowed"});
    CHECK(held.status().queued == 2);
  }
}

TEST_CASE("a log that has begun anew, or cannot be written to, is a lost session", "[cluster][sender]") {
  HeldSender held;
  held.redis->hold("append");
  held.connect();
  held.publish("hello");
  held.take_sent();
  const std::string error = GENERATE("EPOCH the log has begun anew", "NOSCRIPT No matching script.");
  held.redis->reply("append", resp::error(error));
  CHECK(held.take_notes() == Texts{"lost: " + error});
  held.connect();
  CHECK(held.take_sent() == Texts{"hello*"});
}

// ---- with replicas ----

TEST_CASE("replicas are asked for once, for all that Redis has by then", "[cluster][sender][replicas]") {
  HeldSender held(with_replicas(2));
  held.redis->hold("WAIT");
  held.publish_numbers(1, 3);
  held.connect();
  CHECK(held.redis->count("WAIT") == 1);
  CHECK(held.redis->last("WAIT").words == Texts{"2", "1000"});
  held.read_log();
  held.take_notes();
  held.redis->reply("WAIT", resp::integer(2));
  CHECK(held.take_notes() == Texts{"1: published, 1-0"});
  CHECK(held.redis->count("WAIT") == 2);
  held.redis->reply("WAIT", resp::integer(3));
  CHECK(held.take_notes() == Texts{"2: published, 2-0", "3: published, 3-0"});
  CHECK(held.redis->count("WAIT") == 2);
}

TEST_CASE("an event that too few replicas have is told so, though it is delivered", "[cluster][sender][replicas]") {
  const std::string fate = "1: " + make_error_code(Errc::bus_not_replicated).message();
  HeldSender held(with_replicas(2));
  held.redis->hold("WAIT");
  held.connect();
  held.publish("1");
  held.read_log();
  held.take_notes();
  SECTION("in time") {
    held.redis->reply("WAIT", resp::integer(1));
    const std::string why = "only 1 of 2 replicas have confirmed within 1000 ms";
    CHECK(held.take_notes() == Texts{"refused: " + why, fate});
    CHECK(held.status().reason == why);
  }
  SECTION("or when Redis refuses to say") {
    held.redis->reply("WAIT", resp::error("ERR WAIT cannot be used with replica instances"));
    CHECK(held.take_notes() == Texts{"refused: ERR WAIT cannot be used with replica instances", fate});
  }
  SECTION("or when the connection breaks before it says") {
    held.redis->cut();
    CHECK(held.take_notes() == Texts{"lost: Connection reset by peer", fate});
  }
  CHECK(held.logged() == Texts{"1"});
  CHECK(held.status().published == 1);
}

// ---- without a log ----

TEST_CASE("without a log an event is published when Redis says so; those for one user go to the nodes that have them",
          "[cluster][sender][relay]") {
  const auto mode = GENERATE(ClusterMode::directed, ClusterMode::broadcast);
  HeldSender held(in_mode(mode));
  held.connect();
  held.redis->take_heard();
  held.publish("all");
  held.publish("one", Audience::user("anna"));
  CHECK(held.take_notes() == Texts{"all: published, 0-0", "one: published, 0-0"});
  CHECK(held.redis->take_heard() == Texts{"PUBLISH", mode == ClusterMode::directed ? "route" : "PUBLISH"});
  if (mode == ClusterMode::directed) CHECK(held.redis->last("route").arguments[2] == "anna");
}

TEST_CASE("without a log commands, and what is for topics, go to all nodes", "[cluster][sender][relay]") {
  HeldSender held(in_mode(GENERATE(ClusterMode::directed, ClusterMode::broadcast)));
  held.connect();
  held.redis->take_heard();
  const std::vector<std::string> topics{"a", "b"};
  held.publish("one", Audience::topic("a"));
  CHECK_FALSE(held.sender->push(UserCommand{UserCommand::Kind::join, "anna", {"a"}}));
  held.redis->turn();
  held.publish("several", Audience::topics(topics));
  CHECK(held.redis->take_heard() == Texts(3, "PUBLISH"));
  Texts sent;
  for (const HeldRedis::Command& publish : held.redis->all("PUBLISH")) {
    CHECK(publish.words[0] == "spate:all");
    sent.push_back(HeldSender::data(publish.words[1]));
  }
  CHECK(sent == Texts{"one", "command anna", "several"});
  CHECK(held.status().published == 3);
}

TEST_CASE("without a log an event whose answer is lost is given up, and those after it wait",
          "[cluster][sender][relay]") {
  HeldSender held(in_mode(ClusterMode::broadcast));
  held.redis->hold("PUBLISH");
  held.connect();
  held.publish_numbers(1, 2);
  held.redis->reply("PUBLISH", resp::integer(0));
  CHECK(held.take_notes() == Texts{"1: published, 0-0"});
  held.redis->cut();
  CHECK(held.take_notes() ==
        Texts{"lost: Connection reset by peer", "2: " + make_error_code(Errc::bus_lost).message()});
  held.publish("3");
  held.redis->let_go("PUBLISH");
  held.connect();
  CHECK(held.take_notes() == Texts{"3: published, 0-0"});
  CHECK(HeldSender::data(held.redis->last("PUBLISH").words[1]) == "3");
}

TEST_CASE("without a log an event that Redis refuses is told so, and the next one goes", "[cluster][sender][relay]") {
  HeldSender held(in_mode(ClusterMode::broadcast));
  held.connect();
  held.redis->reply("PUBLISH", resp::error("NOPERM no such channel"));
  held.publish("1");
  CHECK(held.take_notes() ==
        Texts{"1: " + make_error_code(Errc::bus_refused).message(), "refused: NOPERM no such channel"});
  CHECK(held.status().reason == "NOPERM no such channel");
  held.publish("2");
  CHECK(held.take_notes() == Texts{"2: published, 0-0"});
  CHECK(held.status().reason.empty());
}

TEST_CASE("when Redis has forgotten the scripts, what it could not route is sent again before anything else",
          "[cluster][sender][relay]") {
  HeldSender held(in_mode(ClusterMode::directed));
  held.connect();
  held.redis->hold("route");
  for (const char* text : {"1", "2", "3"}) held.publish(text, Audience::user("anna"));
  held.redis->flush_scripts();
  held.redis->take_heard();
  held.redis->let_go("route");
  Texts expected(static_cast<std::size_t>(RedisScript::count), "SCRIPT LOAD");
  expected.insert(expected.end(), 3, "route");
  CHECK(held.redis->take_heard() == expected);
  CHECK(held.take_notes() == Texts{"1: published, 0-0", "2: published, 0-0", "3: published, 0-0"});
  Texts sent;
  for (const HeldRedis::Command& route : held.redis->all("route")) sent.push_back(HeldSender::data(route.arguments[3]));
  CHECK(sent == Texts{"1", "2", "3", "1", "2", "3"});
}

// ---- its end, and its limits ----

TEST_CASE("a queue that is full refuses, and so does one that could not be served", "[cluster][sender]") {
  RedisOptions options;
  options.max_queued_events = 2;
  HeldSender held(options);
  CHECK_FALSE(held.publish("1"));
  held.no_memory = true;
  CHECK_THROWS_AS(held.publish("2"), std::bad_alloc);
  CHECK(held.status().queued == 1);
  held.no_memory = false;
  CHECK_FALSE(held.publish("3"));
  CHECK(held.publish("4") == Errc::bus_queue_full);
  CHECK(held.sender->push(UserCommand{UserCommand::Kind::remove, "anna", {}}) == Errc::bus_queue_full);
  CHECK(held.status().refused == 2);
  held.connect();
  CHECK(held.logged() == Texts{"1", "3"});
}

TEST_CASE("what is queued when the bus closes is given up, and nothing more is taken", "[cluster][sender]") {
  HeldSender held;
  held.connect();
  held.publish("1");
  held.disconnect();
  held.publish("2");
  held.take_notes();
  held.sender->close();
  CHECK(held.take_notes() == Texts{"2: " + make_error_code(Errc::shut_down).message()});
  CHECK(held.publish("3") == Errc::shut_down);
  CHECK(held.sender->push(UserCommand{UserCommand::Kind::remove, "anna", {}}) == Errc::shut_down);
  CHECK(held.take_notes().empty());
}
