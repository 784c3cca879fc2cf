// A node and a Redis in memory: one session after the other, what goes on over them, and what its emitter is told.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include <spate/cluster/detail/redis_node.hpp>
#include <spate/error.hpp>
#include "support/catch.hpp"
#include "support/held_redis.hpp"
#include "support/noting_listener.hpp"
#include "support/texts.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::StartsWith;
using spate::Audience;
using spate::BusStatus;
using spate::ClusterMode;
using spate::Errc;
using spate::Event;
using spate::RedisOptions;
using spate::UserCommand;
using spate::UserCounts;
using spate::UserStreams;

namespace {

/// What another node sends.
std::string from_another(std::string encoded, std::uint64_t counter) {
  BusMessageCodec::stamp(encoded, 77, counter);
  return encoded;
}
std::string message(const Event& event, std::uint64_t counter = 1) {
  return from_another(BusMessageCodec::encode(Audience::everybody(), event), counter);
}
std::string message(const std::string& text, std::uint64_t counter = 1) {
  return message(Event(text), counter);
}
std::string message(const UserCommand& command, std::uint64_t counter = 1) {
  return from_another(BusMessageCodec::encode(command), counter);
}

const UserCommand join{UserCommand::Kind::join, "anna", {"room"}};
const UserCommand removal{UserCommand::Kind::remove, "anna", {}};

/// What an emitter is told, less what has been trimmed after its end.
class Listener final : public spate::BusListener {
 public:
  void relayed(const Audience&, const Event& event) override { notes.push_back("relayed " + *event.data()); }
  void missed() override { notes.push_back("missed"); }
  void restarted(std::string_view) override { notes.push_back("restarted"); }
  void trimmed(std::uint64_t sequence) override { notes.push_back("trimmed " + LogId::format(sequence)); }
  void appended(std::uint64_t sequence, const Audience&, const Event& event) override {
    std::string note = LogId::format(sequence) + (event.data() ? " " + *event.data() : "");
    if (event.kept_for() > 0ms) note += " for " + std::to_string(event.kept_for().count());
    notes.push_back(note + (event.kept() ? "" : " passing"));
  }
  void reached_end(std::uint64_t newest) override { read_up_to = newest; }
  void commanded(const UserCommand& command) override { notes.push_back(words_of(command)); }
  std::vector<UserStreams> users_here(std::string_view after, std::size_t) const override {
    return after.empty() ? std::vector<UserStreams>{{"anna", 2}} : std::vector<UserStreams>();
  }
  UserCounts counts_here() const override { return {1, 2}; }

  Texts notes;
  std::uint64_t read_up_to = 0;
};

class HeldNode {
 public:
  explicit HeldNode(RedisOptions options = {}) {
    options.node = "a";
    options.on_bus_error = [this](std::error_code, const std::string& what) { faults.push_back(what); };
    node = std::make_shared<RedisNode>(redis, options);
  }
  HeldNode(const HeldNode&) = delete;
  HeldNode& operator=(const HeldNode&) = delete;
  ~HeldNode() {
    node->close();
    redis->turn();
  }

  void begin() {
    node->attach(listener);
    redis->turn();
  }
  void come_up() {
    begin();
    REQUIRE(node->status().connected);
    take_notes();
    redis->take_heard();
  }

  void publish(const std::string& text) {
    const std::error_code error =
        node->publish(Audience::everybody(), Event(text), [this, text](std::error_code fate, std::uint64_t) {
          fates.push_back(text + ": " + (fate ? fate.message() : "published"));
        });
    CHECK_FALSE(error);
    redis->turn();
  }

  Texts take_notes() { return std::exchange(listener->notes, {}); }
  Texts take_faults() { return std::exchange(faults, {}); }
  Texts take_fates() { return std::exchange(fates, {}); }
  std::string reason() const { return node->status().reason; }
  bool connected() const { return node->status().connected; }

  /// Lets time pass until the node has tried to connect once more; returns how long that was.
  std::chrono::milliseconds pause() {
    const TimePoint began = redis->now(), next = redis->next_moment();
    redis->let_pass(next - began);
    return std::chrono::duration_cast<std::chrono::milliseconds>(next - began);
  }
  void come_back() {
    for (int attempts = 0; !connected() && attempts < 10; ++attempts) pause();
    REQUIRE(connected());
  }

  const std::shared_ptr<HeldRedis> redis = std::make_shared<HeldRedis>();
  const std::shared_ptr<Listener> listener = std::make_shared<Listener>();
  std::shared_ptr<RedisNode> node;
  Texts faults;
  Texts fates;
};

}  // namespace

// ---- sessions ----

TEST_CASE("a node looks what Redis it is, says hello, takes its lease and reads the log", "[cluster][node]") {
  HeldNode held;
  held.redis->lose_log("epoch");
  held.redis->append(message("before"));
  CHECK(held.reason() == "not connected yet");
  held.begin();
  Texts heard = held.redis->take_heard();
  heard.erase(std::remove(heard.begin(), heard.end(), "SCRIPT LOAD"), heard.end());
  CHECK(Texts(heard.begin(), heard.begin() + 6) == Texts{"PING", "PING", "INFO", "hello", "lease", "read"});
  CHECK(held.take_notes() == Texts{"restarted", "1-0 before"});
  CHECK(held.connected());
  CHECK(held.reason().empty());
  CHECK(held.take_faults().empty());
  // Then it waits for what comes, and hears of it at once.
  held.redis->append(message("news", 2));
  CHECK(held.take_notes() == Texts{"2-0 news"});
  CHECK(held.node->status().received == 2);
}

TEST_CASE("a node without a log listens before it takes its lease, and tells of what others send", "[cluster][node]") {
  HeldNode held(in_mode(GENERATE(ClusterMode::directed, ClusterMode::broadcast)));
  held.begin();
  Texts heard = held.redis->take_heard();
  heard.erase(std::remove(heard.begin(), heard.end(), "SCRIPT LOAD"), heard.end());
  CHECK(Texts(heard.begin(), heard.begin() + 5) == Texts{"PING", "PING", "INFO", "SUBSCRIBE", "lease"});
  const Texts channels = held.redis->last("SUBSCRIBE").words;
  CHECK(Texts(channels.begin(), channels.begin() + 2) == Texts{"spate:all", "spate:to:a"});
  CHECK(held.connected());
  held.redis->publish("spate:all", message("hello"));
  CHECK(held.take_notes() == Texts{"relayed hello"});
  // What it sent itself comes back, and is no news.
  held.publish("own");
  held.redis->publish("spate:all", held.redis->last("PUBLISH").words[1]);
  CHECK(held.take_notes().empty());
  CHECK(held.node->status().received == 1);
}

TEST_CASE("a Redis that is not there is looked for with pauses that grow", "[cluster][node]") {
  HeldNode held;
  held.redis->refuse_connections(true);
  held.begin();
  CHECK(held.reason() == "no connection to Redis: Connection refused");
  CHECK(held.take_faults() == Texts{"127.0.0.1:6379: Connection refused"});
  // Each between half and all of it, at random, so that nodes do not come back all at once.
  for (const auto most : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
    const std::size_t attempts = held.redis->attempts();
    const auto pause = held.pause();
    CHECK(pause >= most / 2);
    CHECK(pause <= most);
    CHECK(held.redis->attempts() > attempts);
    CHECK(held.take_faults().size() == 1);
  }
  held.redis->refuse_connections(false);
  held.pause();
  CHECK(held.connected());
  CHECK(held.reason().empty());
  CHECK(held.node->status().reconnects == 0);  // it is its first connection
}

TEST_CASE("after a connection that lasted pauses begin anew; one that breaks at once does not count",
          "[cluster][node]") {
  HeldNode held;
  held.redis->refuse_connections(true);
  held.begin();
  for (int i = 0; i < 4; ++i) held.pause();
  held.redis->refuse_connections(false);
  held.pause();
  REQUIRE(held.connected());
  const bool lasts = GENERATE(true, false);
  held.redis->let_pass(lasts ? 1001ms : 999ms);
  held.redis->cut();
  CHECK(held.reason() == "no connection to Redis: Connection reset by peer");
  const auto pause = held.pause();
  CHECK(pause <= (lasts ? 100ms : 3200ms));
  CHECK(pause >= (lasts ? 50ms : 1600ms));
  CHECK(held.connected());
  CHECK(held.node->status().reconnects == 1);
}

TEST_CASE("a Redis that says nothing is given up and taken up again", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.redis->hold("lease");  // which is renewed every three seconds
  held.redis->let_pass(7s);
  CHECK(held.reason() == "no connection to Redis: no answer for 3000 ms");
  CHECK_FALSE(held.connected());
  held.redis->let_go("lease");
  held.come_back();
  CHECK(held.take_notes().empty());  // nothing is missing: it is the same log
}

TEST_CASE("a Redis that refuses is told and asked again", "[cluster][node]") {
  HeldNode held;
  SECTION("it loads its data") {
    held.redis->reply("PING", resp::error("LOADING Redis is loading the dataset in memory"));
    held.begin();
    CHECK(held.reason() == "Redis refuses: LOADING Redis is loading the dataset in memory");
  }
  SECTION("it is a replica") {
    held.redis->reply("INFO", resp::bulk("role:slave\r\n"));
    held.begin();
    CHECK_THAT(held.reason(), StartsWith("Redis refuses: it is a replica, which takes no events"));
  }
  SECTION("it is part of a Redis Cluster") {
    held.redis->reply("hello", resp::error("MOVED 1 10.0.0.1:6379"));
    held.begin();
    CHECK(held.reason() == "Redis Cluster is not supported");  // it says no place
  }
  SECTION("it answers something else") {
    held.redis->reply("hello", resp::array({}));
    held.begin();
    CHECK(held.reason() == "Redis refuses: the log cannot be read");
  }
  CHECK(held.take_faults().size() == 1);
  held.come_back();
}

TEST_CASE("a Redis that evicts keys is used, and warned of", "[cluster][node]") {
  HeldNode held;
  const std::string policy = resp::bulk("maxmemory_policy:allkeys-lru\r\n");
  SECTION("from the beginning") {
    held.redis->reply("INFO", policy);
    held.begin();
  }
  SECTION("or when it is seen, at the next look") {
    held.come_up();
    held.redis->reply("INFO", policy);
    held.redis->let_pass(2s);
  }
  CHECK(held.connected());
  CHECK_THAT(held.reason(), StartsWith("maxmemory-policy is allkeys-lru"));
  CHECK(held.take_faults().size() == 1);
  held.redis->let_pass(2s);
  CHECK(held.reason().empty());
  CHECK(held.take_faults().empty());
}

TEST_CASE("a Redis that has taken over from another under its connections is a lost connection", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.redis->reply("INFO", resp::bulk("run_id:1\r\nmaster_replid:2\r\nmaster_replid2:1\r\n"));
  held.redis->let_pass(2s);
  CHECK_FALSE(held.connected());
  CHECK(held.reason() == "no connection to Redis: it follows another history than before");
  held.come_back();
}

// ---- nothing lost, nothing twice ----

TEST_CASE("whichever operation fails, a node delivers each event of the log once and in order", "[cluster][node]") {
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  bool fails = true;
  std::size_t operations = 0;
  for (; fails; ++operations) {
    INFO("after " << operations << " operations");
    HeldNode held;
    held.redis->fail_after(operations, lost);
    held.publish("1");
    held.begin();
    held.publish("2");
    held.redis->append(message("others'"));
    held.publish("3");
    fails = held.redis->has_failed();
    CHECK(held.faults.size() == (fails ? 1 : 0));
    if (fails) held.come_back();
    Texts notes = held.take_notes();
    REQUIRE(notes.size() == 5);
    CHECK(notes[0] == "restarted");
    Texts own, all;
    for (std::size_t i = 1; i < notes.size(); ++i) {
      CHECK_THAT(notes[i], StartsWith(std::to_string(i) + "-0 "));
      const std::string text = notes[i].substr(4);
      if (text != "others'") own.push_back(text);
    }
    CHECK(own == Texts{"1", "2", "3"});
    CHECK(held.take_fates() == Texts{"1: published", "2: published", "3: published"});
    CHECK(held.node->status().queued == 0);
    CHECK(held.node->status().published == 3);
    CHECK(held.node->status().reconnects <= 1);
  }
  CHECK(operations > 40);
}

TEST_CASE("a Redis that has forgotten the scripts is connected to again, and given them", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.redis->flush_scripts();
  held.publish("1");
  CHECK_FALSE(held.connected());
  held.come_back();
  CHECK(held.take_notes() == Texts{"1-0 1"});
  CHECK(held.take_fates() == Texts{"1: published"});
}

TEST_CASE("a log that is gone begins anew, with what waits for it", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.publish("1");
  CHECK(held.take_notes() == Texts{"1-0 1"});
  held.redis->lose_log();
  held.publish("2");
  CHECK(held.reason() == "no connection to Redis: EPOCH the log has begun anew");
  held.come_back();
  CHECK(held.take_notes() == Texts{"restarted", "1-0 2"});
  CHECK(held.take_fates() == Texts{"1: published", "2: published"});
}

TEST_CASE("where nodes have to agree on the end of the log first, it is read when they do", "[cluster][node]") {
  HeldNode held;
  held.redis->lose_log("epoch");
  held.redis->reply("hello", resp::array({resp::bulk("epoch"), resp::integer(1), resp::bulk("0-0"), resp::bulk("0-0"),
                                          resp::bulk(""), resp::bulk("")}));
  held.redis->hold("settle");
  held.begin();
  CHECK(held.redis->last("settle").arguments[2] == "0");  // it knows nothing that could be missing
  CHECK(held.redis->count("settle") == 1);
  held.redis->reply("settle", resp::integer(0));  // others are waited for
  held.redis->let_pass(20ms);
  CHECK(held.redis->count("settle") == 2);
  CHECK(held.redis->count("read") == 0);
  held.redis->reply("settle", resp::integer(1));
  CHECK(held.redis->count("read") == 1);
  CHECK(held.connected());
}

TEST_CASE("what a node has read and the log lacks, it offers", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  const std::string epoch = held.redis->epoch();
  held.redis->append(message("1", 1));
  held.redis->append(message("2", 2));
  held.redis->cut();
  // Another Redis has taken over, which had the first alone.
  held.redis->lose_log(epoch);
  held.redis->append(message("1", 1));
  held.redis->reply("hello", resp::array({resp::bulk(epoch), resp::integer(1), resp::bulk("1-0"), resp::bulk("0-0"),
                                          resp::bulk("1-0"), resp::bulk(message("1", 1).substr(0, 17))}));
  held.redis->hold("settle");
  held.pause();
  const HeldRedis::Command offer = held.redis->last("offer"), settle = held.redis->last("settle");
  CHECK(offer.arguments == Texts{"2-0", message("2", 2)});
  CHECK(settle.arguments[2] == "1");
  CHECK(settle.arguments[3] == "2-0");
  held.redis->append(message("2", 2));
  held.redis->let_go("settle");
  CHECK(held.connected());
  CHECK(held.take_notes() == Texts{"1-0 1", "2-0 2"});
}

TEST_CASE("an event that its publisher has sent again, as its answer was lost with the log's end, is delivered once",
          "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.redis->append(message("1", 1));
  held.redis->append(message("1", 1));
  held.redis->append(message("2", 2));
  CHECK(held.take_notes() == Texts{"1-0 1", "3-0 2"});
}

TEST_CASE("a long log is read in pieces, and a node is there when it has all of it", "[cluster][node]") {
  HeldNode held;
  held.redis->lose_log("epoch");
  for (std::uint64_t i = 1; i <= 1'500; ++i) held.redis->append(message(std::to_string(i), i));
  held.redis->hold("read");
  held.begin();
  held.redis->answer("read");
  CHECK(held.take_notes().size() == 1 + 1'024);  // and that it begins
  CHECK_FALSE(held.connected());
  held.redis->answer("read");
  const Texts rest = held.take_notes();
  CHECK(rest.size() == 476);
  CHECK(rest.back() == "1500-0 1500");
  held.redis->let_go("read");
  CHECK(held.connected());
  CHECK(held.listener->read_up_to == *LogId::parse("1500-0"));
}

TEST_CASE("garbage is skipped, counted and told", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.redis->append("garbage");
  held.redis->append(message("good"));
  CHECK(held.take_notes() == Texts{"2-0 good"});
  CHECK(held.node->status().skipped == 1);
  CHECK(held.take_faults() == Texts{"skipped a message of 7 bytes: it is of a newer version"});
}

TEST_CASE("what others may have sent past a node that only listens is told once, when it is back", "[cluster][node]") {
  HeldNode held(in_mode(ClusterMode::directed));
  held.come_up();
  SECTION("its connection was lost") {
    held.redis->cut();
    CHECK(held.take_notes().empty());
    held.come_back();
    CHECK(held.take_notes() == Texts{"missed"});
  }
  SECTION("nobody knew who was here") {
    held.redis->reply("lease", resp::error("OOM command not allowed"));
    held.redis->let_pass(3s);
    CHECK(held.connected());
    CHECK(held.reason() == "OOM command not allowed");
    held.redis->let_pass(500ms);
    CHECK(held.take_notes() == Texts{"missed"});
    CHECK(held.reason().empty());
  }
}

TEST_CASE("a node that cannot hear what is published notices within half a second", "[cluster][node]") {
  HeldNode held(in_mode(ClusterMode::broadcast));
  held.come_up();
  held.redis->reply("PUBSUB", resp::array({resp::bulk("channel"), resp::integer(0)}));
  held.redis->let_pass(500ms);
  CHECK(held.reason() ==
        "no connection to Redis: the Redis that takes commands does not know the connection that listens");
  held.come_back();
}

// ---- commands, and what is kept for a while ----

TEST_CASE("a node is told the commands that come after it has read the log, its own too, each after its number",
          "[cluster][node][command]") {
  HeldNode held;
  held.redis->lose_log("epoch");
  held.redis->append(message(join));
  held.redis->append(message("before", 2));
  held.come_up();
  held.redis->append(message(removal, 3));
  held.redis->append(message("after", 4));
  CHECK_FALSE(held.node->command(join));
  held.redis->turn();
  CHECK(held.take_notes() == Texts{"3-0 passing", "remove anna", "4-0 after", "5-0 passing", "join anna room"});
  CHECK(held.listener->read_up_to == *LogId::parse("2-0"));
  held.redis->let_pass(1s);  // in which nothing comes: the end is looked for
  CHECK(held.listener->read_up_to == *LogId::parse("5-0"));
  CHECK(held.node->status().published == 1);
  CHECK(held.node->status().received == 4);
}

TEST_CASE("commands that are in the log when a node first reads it are old; their numbers are told",
          "[cluster][node][command]") {
  HeldNode held;
  held.redis->lose_log("epoch");
  held.redis->append(message(join));
  held.redis->append(message("1", 2));
  held.begin();
  CHECK(held.take_notes() == Texts{"restarted", "1-0 passing", "2-0 1"});
  SECTION("those that came while it was away are told") {
    held.redis->refuse_connections(true);
    held.redis->cut();
    held.redis->append(message(removal, 3));
    held.redis->append(message("2", 4));
    held.redis->refuse_connections(false);
    held.come_back();
    CHECK(held.take_notes() == Texts{"3-0 passing", "remove anna", "4-0 2"});
  }
  SECTION("and so are those of a log that has begun since then") {
    held.redis->refuse_connections(true);
    held.redis->cut();
    held.redis->lose_log("another");
    held.redis->append(message(removal, 3));
    held.redis->refuse_connections(false);
    held.come_back();
    CHECK(held.take_notes() == Texts{"restarted", "1-0 passing", "remove anna"});
  }
  SECTION("but to another listener all are old") {
    held.redis->append(message(removal, 3));
    held.take_notes();
    held.begin();
    CHECK(held.take_notes() == Texts{"restarted", "1-0 passing", "2-0 1", "3-0 passing"});
  }
}

TEST_CASE("whichever operation fails, a command comes once and in its place", "[cluster][node][command]") {
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  bool fails = true;
  for (std::size_t operations = 0; fails; ++operations) {
    INFO("after " << operations << " operations");
    HeldNode held;
    held.redis->fail_after(operations, lost);
    held.publish("1");
    CHECK_FALSE(held.node->command(join));
    held.begin();
    held.publish("2");
    fails = held.redis->has_failed();
    if (fails) held.come_back();
    CHECK(held.take_notes() == Texts{"restarted", "1-0 1", "2-0 passing", "join anna room", "3-0 2"});
    CHECK(held.node->status().queued == 0);
  }
}

TEST_CASE("a node without a log is told the commands of others, and tells them its own", "[cluster][node][command]") {
  HeldNode held(in_mode(GENERATE(ClusterMode::directed, ClusterMode::broadcast)));
  held.come_up();
  held.redis->publish("spate:all", message(join));
  held.redis->publish("spate:all", message("1", 2));
  CHECK(held.take_notes() == Texts{"join anna room", "relayed 1"});
  CHECK_FALSE(held.node->command(removal));
  held.redis->turn();
  held.redis->publish("spate:all", held.redis->last("PUBLISH").words[1]);
  CHECK(held.take_notes().empty());
}

TEST_CASE("what is to be kept for a while is kept for what is left of it, by the clock of Redis",
          "[cluster][node][keep]") {
  HeldNode held;
  held.redis->lose_log("epoch");
  held.redis->append(message(Event("long").keep_for(10s), 1));
  held.redis->append(message(Event("short").keep_for(5s), 2));
  held.redis->append(message(Event("typing").keep(false), 3));
  SECTION("when it is in the log already") {
    held.redis->set_time(5'001);
    held.begin();
    CHECK(held.take_notes() == Texts{"restarted", "1-0 long for 5000", "2-0 short for 1", "3-0 typing passing"});
  }
  SECTION("until it has expired") {
    held.redis->set_time(5'002);
    held.begin();
    CHECK(held.take_notes() ==
          Texts{"restarted", "1-0 long for 4999", "2-0 short for 5000 passing", "3-0 typing passing"});
  }
  SECTION("and when it comes") {
    held.come_up();
    held.redis->set_time(1'004);
    held.redis->append(message(Event("late").keep_for(2s), 4));
    held.redis->append(message(Event("early").keep_for(2s), 5));
    CHECK(held.take_notes() == Texts{"4-0 late for 1000", "5-0 early for 1001"});
    held.redis->set_time(3);  // it was set back
    held.redis->append(message(Event("later").keep_for(2s), 6));
    CHECK(held.take_notes() == Texts{"6-0 later for 2000"});
  }
}

// ---- questions ----

TEST_CASE("questions are answered, or lost with their session", "[cluster][node]") {
  HeldNode held;
  Texts answers;
  const auto ask = [&] {
    held.node->ask_newest([&](std::error_code error, std::uint64_t newest) {
      answers.push_back(error ? error.message() : "newest " + LogId::format(newest));
    });
    held.node->ask_counts([&](std::error_code error, UserCounts counts) {
      answers.push_back(error ? error.message() : std::to_string(counts.users) + " users");
    });
    held.node->ask_users([&](std::error_code error, const std::vector<UserStreams>& users) {
      answers.push_back(error ? error.message() : std::to_string(users.size()) + " elsewhere");
    });
    held.redis->turn();
    return std::exchange(answers, {});
  };
  const Texts lost(3, make_error_code(Errc::bus_lost).message());
  CHECK(ask() == lost);  // it is not connected
  held.come_up();
  held.redis->append(message("1"));
  held.redis->reply("counts", resp::array({resp::integer(7), resp::integer(9)}));
  held.redis->reply("others", resp::array({resp::bulk("b")}));
  held.redis->reply("HSCAN", resp::array({resp::bulk("0"), resp::array({resp::bulk("berta"), resp::bulk("3")})}));
  CHECK(ask() == Texts{"newest 1-0", "7 users", "1 elsewhere"});
  CHECK(held.redis->last("HSCAN").words[0] == "spate:node:b");
  for (const char* command : {"XINFO", "counts", "others"}) held.redis->hold(command);
  CHECK(ask().empty());
  held.redis->cut();
  CHECK(answers == lost);
}

// ---- its end ----

TEST_CASE("a node that closes takes itself out, gives up what is queued and comes no more", "[cluster][node]") {
  HeldNode held;
  held.come_up();
  held.redis->hold("append");
  held.publish("1");
  held.redis->take_heard();
  held.node->close();
  held.redis->turn();
  CHECK(held.redis->take_heard() == Texts{"leave", "forget"});
  CHECK(held.take_fates() == Texts{"1: " + make_error_code(Errc::shut_down).message()});
  CHECK(held.reason() == "closed");
  CHECK(held.redis->connections() == 0);
  CHECK(held.redis->next_moment() == never);  // nothing keeps a program from ending
  CHECK(held.node->publish(Audience::everybody(), Event("2"), {}) == Errc::shut_down);
  held.node->attach(held.listener);
  held.redis->let_pass(1h);
  CHECK(held.redis->take_heard().empty());
}

TEST_CASE("a node that closes while it waits to connect stays away", "[cluster][node]") {
  HeldNode held;
  held.redis->refuse_connections(true);
  held.begin();
  const std::size_t attempts = held.redis->attempts();
  held.node->close();
  held.redis->turn();
  CHECK(held.redis->next_moment() == never);
  held.redis->let_pass(1h);
  CHECK(held.redis->attempts() == attempts);
}
