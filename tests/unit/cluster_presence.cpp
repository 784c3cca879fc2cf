// How a node tells a Redis in memory who is on it: the lease, all who are here, and whoever comes and goes.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/redis_presence.hpp>
#include "support/catch.hpp"
#include "support/held_redis.hpp"
#include "support/texts.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using spate::ClusterMode;
using spate::RedisOptions;
using spate::UserStreams;

namespace {

using State = RedisPresence::State;

const std::string goes_on = resp::array({resp::integer(1), resp::integer(0)});
const std::string begins = resp::array({resp::integer(0), resp::integer(0)});
/// It is another process's, until then.
std::string taken(std::int64_t until) {
  return resp::array({resp::integer(-1), resp::integer(until)});
}

/// What a node has of its presence, with its session and its emitter's users.
class HeldPresence {
 public:
  explicit HeldPresence(const RedisOptions& options = {}) {
    RedisPresence::Events events;
    events.users_here = [this](std::string_view after, std::size_t most) {
      std::vector<UserStreams> page;
      for (auto at = users.upper_bound(std::string(after)); at != users.end() && page.size() < most; ++at) {
        page.emplace_back(*at);
      }
      return page;
    };
    events.streams_here = [this] { return users.size(); };
    events.changed = [this] {
      constexpr const char* names[] = {"asking", "waiting", "clearing", "telling", "told"};
      const std::string& trouble = presence->trouble();
      notes.push_back(names[static_cast<std::size_t>(presence->state())] + (trouble.empty() ? "" : ": " + trouble));
    };
    events.renewed = [this] { notes.push_back("renewed"); };
    events.make_room = [this] { return rooms > 0 && rooms-- > 0; };
    events.wake = [this] { redis->post([this] { presence->tell_changes(); }); };
    presence.emplace(*redis, options, keys, "origin", std::move(events));
  }
  HeldPresence(const HeldPresence&) = delete;
  HeldPresence& operator=(const HeldPresence&) = delete;
  ~HeldPresence() {
    disconnect();
    redis->turn();
  }

  void connect() {
    RedisSession::Events events;
    events.ready = [this] { presence->begin(session); };
    events.lost = [this](std::error_code, const std::string& why) {
      notes.push_back("lost: " + why);
      disconnect();
    };
    session = begin_session(redis, std::move(events));
    redis->turn();
  }
  void disconnect() {
    if (const auto over = std::exchange(session, nullptr)) over->close();
    presence->end();
  }
  /// Connected, and all who are here are told.
  void come_up() {
    connect();
    REQUIRE(presence->state() == State::told);
    notes.clear();
    redis->take_heard();
  }

  /// `user` has so many streams here.
  bool change(const std::string& user, std::size_t streams) {
    if (streams == 0) users.erase(user);
    if (streams > 0) users[user] = streams;
    const bool noted = presence->changed(user, streams);
    redis->turn();
    return noted;
  }
  void add_users(int count) {
    for (int i = 0; i < count; ++i) change("user " + std::to_string(1000 + i), 1);
  }

  /// The users told by the `number`-th piece, with their streams.
  Texts told(std::size_t number) const {
    const auto pieces = redis->all("presence");
    REQUIRE(number < pieces.size());
    Texts told;
    const auto& words = pieces[number].arguments;
    for (std::size_t i = 4; i + 1 < words.size(); i += 2) told.push_back(words[i] + " " + words[i + 1]);
    return told;
  }
  Texts take_notes() { return std::exchange(notes, {}); }

  const std::shared_ptr<HeldRedis> redis = std::make_shared<HeldRedis>();
  const RedisKeys keys{"spate:", "a"};
  std::optional<RedisPresence> presence;
  std::shared_ptr<RedisSession> session;
  std::map<std::string, std::size_t> users;
  Texts notes;
  int rooms = 0;  // how often room can be made
};

}  // namespace

TEST_CASE("a node takes its lease, clears what an earlier session told, and tells all who are here",
          "[cluster][presence]") {
  HeldPresence held;
  held.change("anna", 1);
  held.change("berta", 2);
  CHECK(held.presence->state() == State::asking);
  held.redis->reply("forget", resp::integer(500));  // there is more to clear
  held.connect();
  CHECK(held.take_notes() == Texts{"clearing", "telling", "told"});
  const Texts heard = held.redis->take_heard();
  CHECK(Texts(heard.end() - 4, heard.end()) == Texts{"lease", "forget", "forget", "presence"});
  CHECK(held.told(0) == Texts{"anna 1", "berta 2"});
  const HeldRedis::Command lease = held.redis->last("lease");
  CHECK(lease.arguments == Texts{"spate:", "a", "origin", "10000", "2", "0", "", "0"});
}

TEST_CASE("many users are told in pieces, one at a time", "[cluster][presence]") {
  HeldPresence held;
  held.add_users(1'100);
  held.redis->hold("presence");
  held.connect();
  CHECK(held.presence->state() == State::telling);
  CHECK(held.redis->count("presence") == 1);
  CHECK(held.told(0).size() == 500);
  held.redis->answer("presence");
  CHECK(held.told(1).size() == 500);
  CHECK(held.redis->count("presence") == 2);
  held.redis->let_go("presence");
  CHECK(held.told(2).size() == 100);
  CHECK(held.told(2).back() == "user 2099 1");
  CHECK(held.presence->state() == State::told);
}

TEST_CASE("who comes and goes meanwhile is told after all who were here, with their last number",
          "[cluster][presence]") {
  HeldPresence held;
  held.change("anna", 1);
  held.redis->hold("presence");
  held.connect();
  CHECK(held.change("berta", 1));
  CHECK(held.change("anna", 3));
  CHECK(held.change("berta", 0));
  CHECK(held.redis->count("presence") == 1);
  held.redis->answer("presence");
  CHECK(held.presence->state() == State::told);
  CHECK(held.told(1) == Texts{"anna 3", "berta 0"});
  // While one piece is under way what happens waits for the next.
  CHECK(held.change("clara", 1));
  CHECK(held.change("dora", 1));
  held.redis->let_go("presence");
  CHECK(held.told(2) == Texts{"clara 1", "dora 1"});
  CHECK(held.redis->count("presence") == 3);
}

TEST_CASE("without a session nothing is noted: all who are here are told when there is one", "[cluster][presence]") {
  HeldPresence held;
  CHECK_FALSE(held.change("anna", 1));
  held.come_up();
  CHECK(held.change("anna", 2));
  held.redis->cut();
  CHECK(held.take_notes() == Texts{"lost: Connection reset by peer"});
  CHECK(held.presence->state() == State::asking);
  CHECK_FALSE(held.change("anna", 5));
  CHECK(held.redis->next_moment() == never);  // nothing keeps a program from ending
  held.connect();
  CHECK(held.told(held.redis->count("presence") - 1) == Texts{"anna 5"});
}

TEST_CASE("the lease is renewed at a third of it, but not more seldom than every three seconds",
          "[cluster][presence]") {
  const auto [lease, interval] = GENERATE(std::pair(10'000ms, 3'000ms), std::pair(900ms, 300ms));
  RedisOptions options;
  options.lease = lease;
  HeldPresence held(options);
  held.change("anna", 1);
  held.come_up();
  for (int i = 0; i < 5; ++i) {
    held.redis->let_pass(interval - 1ms);
    CHECK(held.redis->take_heard().empty());
    held.redis->let_pass(1ms);
    CHECK(held.redis->take_heard() == Texts{"lease"});
    CHECK(held.take_notes() == Texts{"renewed"});
  }
  // Redis must know of users of this node by now.
  CHECK(held.redis->last("lease").arguments[5] == "1");
}

TEST_CASE("a Redis that has lost the lease, or given it to another, has lost what it was told", "[cluster][presence]") {
  HeldPresence held;
  held.change("anna", 1);
  held.come_up();
  SECTION("lost") {
    held.redis->lose_lease();
    held.redis->let_pass(3s);
    CHECK(held.take_notes() == Texts{"lost: Redis has lost what it was told of this node's users"});
  }
  SECTION("another's") {
    held.redis->reply("lease", taken(1'000'000));
    held.redis->let_pass(3s);
    CHECK(held.take_notes() == Texts{"lost: another node has taken this one's name"});
  }
  CHECK(held.presence->state() == State::asking);
}

TEST_CASE("a name that another process bears is waited for", "[cluster][presence]") {
  HeldPresence held;
  held.redis->hold("lease");
  held.connect();
  held.redis->reply("lease", taken(1'000'000));
  // It may be dead, as one that was killed and started again is for as long as its lease lasts.
  CHECK(held.take_notes() == Texts{"waiting"});
  CHECK_FALSE(held.change("anna", 1));
  held.redis->let_pass(499ms);
  CHECK(held.redis->count("lease") == 1);
  held.redis->let_pass(1ms);
  CHECK(held.redis->count("lease") == 2);
  held.redis->reply("lease", taken(1'000'000));
  CHECK(held.take_notes() == Texts{"waiting"});
  SECTION("one that renews its lease lives, and is told") {
    held.redis->let_pass(500ms);
    held.redis->reply("lease", taken(1'003'000));
    const std::string trouble =
        "another node has this one's name; this one joins when that has stopped or its lease has ended";
    CHECK(held.take_notes() == Texts{"waiting: " + trouble});
    held.redis->let_pass(500ms);
    held.redis->reply("lease", taken(1'003'000));
    CHECK(held.take_notes() == Texts{"waiting: " + trouble});  // it has not died by not renewing it yet
  }
  held.redis->let_pass(500ms);
  held.redis->reply("lease", begins);
  CHECK(held.take_notes() == Texts{"clearing", "telling", "told"});
  CHECK(held.presence->trouble().empty());
  CHECK(held.told(0) == Texts{"anna 1"});
}

TEST_CASE("where nodes listen to channels of their own, one that bears the name is known to live",
          "[cluster][presence]") {
  HeldPresence held(in_mode(ClusterMode::directed));
  held.redis->reply("lease", taken(1'000'000));
  held.connect();
  CHECK(held.redis->last("lease").arguments[6] == "spate:to:a");
  CHECK(
      held.take_notes() ==
      Texts{"waiting: another node has this one's name; this one joins when that has stopped or its lease has ended"});
}

TEST_CASE("a Redis that takes no writes is waited for, and says why", "[cluster][presence]") {
  HeldPresence held;
  const std::string error = GENERATE("OOM command not allowed", "NOREPLICAS Not enough", "MISCONF no disk");
  SECTION("at the lease") {
    held.redis->reply("lease", resp::error(error));
    held.connect();
    CHECK(held.take_notes() == Texts{"waiting: " + error});
  }
  SECTION("when it clears") {
    held.redis->reply("forget", resp::error(error));
    held.connect();
    CHECK(held.take_notes() == Texts{"clearing", "waiting: " + error});
  }
  SECTION("when it is told who comes") {
    held.come_up();
    held.redis->reply("presence", resp::error(error));
    held.change("anna", 1);
    CHECK(held.take_notes() == Texts{"waiting: " + error});
  }
  CHECK_FALSE(held.change("anna", 2));
  held.redis->take_heard();
  held.redis->let_pass(500ms);
  CHECK(held.take_notes() == Texts{"clearing", "telling", "told"});
  CHECK(held.presence->trouble().empty());
  CHECK(held.told(held.redis->count("presence") - 1) == Texts{"anna 2"});
}

TEST_CASE("a full Redis is asked again at once when room was made", "[cluster][presence]") {
  HeldPresence held;
  held.rooms = 1;
  held.redis->reply("lease", resp::error("OOM command not allowed"));
  held.connect();
  CHECK(held.redis->count("lease") == 2);
  CHECK(held.presence->state() == State::told);
}

TEST_CASE("what Redis refuses for good ends the session", "[cluster][presence]") {
  HeldPresence held;
  SECTION("the lease") {
    held.redis->reply("lease", resp::error("NOPERM this user has no permissions"));
    held.connect();
    CHECK(held.take_notes() == Texts{"lost: the lease cannot be kept: NOPERM this user has no permissions"});
  }
  SECTION("an answer that is none") {
    held.redis->reply("lease", resp::simple("OK"));
    held.connect();
    CHECK(held.take_notes() == Texts{"lost: the lease cannot be kept"});
  }
  SECTION("users") {
    held.come_up();
    held.redis->reply("presence", resp::error("NOSCRIPT No matching script."));
    held.change("anna", 1);
    CHECK(held.take_notes() == Texts{"lost: the users of this node cannot be told: NOSCRIPT No matching script."});
  }
}

TEST_CASE("a node that leaves takes itself out, and one that has no place there does not", "[cluster][presence]") {
  HeldPresence held;
  SECTION("it had one") {
    held.come_up();
    held.presence->leave();
    held.redis->turn();
    CHECK(held.redis->take_heard() == Texts{"leave", "forget"});
    CHECK(held.redis->last("leave").arguments == Texts{"a", "origin"});
  }
  SECTION("it waited for one") {
    held.redis->reply("lease", taken(1'000'000));
    held.connect();
    held.presence->leave();
    held.redis->turn();
    CHECK(held.redis->count("leave") == 0);
  }
  SECTION("it is not connected") {
    held.presence->leave();
    CHECK(held.redis->count("leave") == 0);
  }
}

TEST_CASE("whichever operation fails, a new session tells who is here", "[cluster][presence]") {
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  bool fails = true;
  for (std::size_t operations = 0; fails; ++operations) {
    INFO("after " << operations << " operations");
    HeldPresence held;
    held.redis->fail_after(operations, lost);
    held.add_users(501);
    held.connect();
    held.change("anna", 2);
    fails = held.redis->has_failed();
    if (!fails) break;
    CHECK(held.presence->state() == State::asking);
    const std::size_t before = held.redis->count("presence");
    held.connect();
    CHECK(held.presence->state() == State::told);
    CHECK(held.redis->count("presence") == before + 2);
    CHECK(held.told(before).size() == 500);
    CHECK(held.told(before).front() == "anna 2");
    CHECK(held.told(before + 1) == Texts{"user 1499 1", "user 1500 1"});
  }
}
