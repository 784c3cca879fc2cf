// A session with a Redis in memory: two connections, and the scripts.
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/cluster/detail/redis_session.hpp>
#include <spate/error.hpp>
#include "support/catch.hpp"
#include "support/held_redis.hpp"
#include "support/texts.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::StartsWith;
using spate::Errc;

namespace {

constexpr std::size_t scripts = static_cast<std::size_t>(RedisScript::count);

/// A session, and what it tells.
class HeldSession {
 public:
  explicit HeldSession(std::shared_ptr<HeldRedis> at = std::make_shared<HeldRedis>()) : redis(std::move(at)) {
    session = begin_session(redis, noting_events<RedisSession::Events>(notes));
  }
  HeldSession(const HeldSession&) = delete;
  HeldSession& operator=(const HeldSession&) = delete;
  ~HeldSession() {
    session->close();
    redis->turn();
  }

  void turn() { redis->turn(); }
  Texts take_notes() { return std::exchange(notes, {}); }
  RedisConnection::Reply note(const std::string& name) {
    return [this, name](const redisReply& reply) { notes.push_back(name + " " + std::string(text_of(reply))); };
  }

  const std::shared_ptr<HeldRedis> redis;
  std::shared_ptr<RedisSession> session;
  Texts notes;
};

}  // namespace

TEST_CASE("a session begins with two connections and loads its scripts, and then is ready", "[cluster][session]") {
  HeldSession held;
  held.turn();
  Texts expected{"PING", "PING"};
  expected.resize(2 + scripts, "SCRIPT LOAD");
  CHECK(held.redis->take_heard() == expected);
  CHECK(held.redis->connections() == 2);
  for (const HeldRedis::Command& load : held.redis->all("SCRIPT LOAD")) CHECK(load.connection == 0);
  CHECK(held.take_notes() == Texts{"ready"});
}

TEST_CASE("scripts are run by the names that Redis has given them, on either connection", "[cluster][session]") {
  HeldSession held;
  held.turn();
  held.session->eval(RedisScript::counts, 3, {"nodes", "streams", "members", "prefix"}, held.note("counts"));
  held.session->eval_on(held.session->listening(), RedisScript::reaches, 1, {"log", "0-0"}, held.note("reaches"));
  held.turn();
  const HeldRedis::Command counts = held.redis->last("counts"), reaches = held.redis->last("reaches");
  CHECK(counts.words == Texts{"nodes", "streams", "members", "prefix"});
  CHECK(counts.arguments == Texts{"prefix"});
  CHECK(counts.connection == 0);
  CHECK(reaches.arguments == Texts{"0-0"});
  CHECK(reaches.connection == 1);
  CHECK(held.take_notes() == Texts{"ready", "counts ", "reaches "});
}

TEST_CASE("a Redis that refuses a script is not used", "[cluster][session]") {
  HeldSession held;
  held.redis->reply("SCRIPT LOAD", resp::error("NOPERM this user has no permissions"));
  CHECK(held.take_notes() == Texts{"refused: NOPERM this user has no permissions"});
  CHECK(held.redis->connections() == 0);
}

TEST_CASE("a Redis that has forgotten the scripts is given them again, and knows them by the same names",
          "[cluster][session]") {
  HeldSession held;
  held.turn();
  held.redis->flush_scripts();
  held.session->eval(RedisScript::reaches, 1, {"log", "0-0"}, held.note("first"));
  held.session->load_again();
  held.session->eval(RedisScript::others, 2, {"nodes", "origins", "origin"}, held.note("second"));
  held.turn();
  CHECK(held.take_notes() == Texts{"ready", "first NOSCRIPT No matching script.", "second "});
}

TEST_CASE("a session ends with either of its connections, and says so once", "[cluster][session]") {
  HeldSession held;
  held.turn();
  held.take_notes();
  const std::size_t number = GENERATE(0, 1);
  held.redis->send(number, "garbage\r\n");
  REQUIRE(held.notes.size() == 1);
  CHECK_THAT(held.notes[0], StartsWith("lost: what came is not the protocol of Redis"));
  CHECK(held.redis->connections() == 0);
}

TEST_CASE("whichever operation fails, a session is lost once; when none does, it is ready", "[cluster][session]") {
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  std::size_t failures = 0;
  for (;; ++failures) {
    INFO("after " << failures << " operations");
    const auto redis = std::make_shared<HeldRedis>();
    redis->fail_after(failures, lost);
    HeldSession held(redis);
    held.turn();
    if (!redis->has_failed()) {
      CHECK(held.take_notes() == Texts{"ready"});
      break;
    }
    REQUIRE(held.notes.size() == 1);
    CHECK_THAT(held.notes[0], StartsWith("lost: "));
    CHECK(redis->connections() == 0);
    redis->let_pass(1h);
    CHECK(held.notes.size() == 1);
  }
  // Two names, addresses, PINGs and their answers; the first script, all others, and the answer to each.
  CHECK(failures == 8 + 2 + scripts);
}

TEST_CASE("who sees a fault ends the session, and what throws in it does", "[cluster][session]") {
  HeldSession held;
  held.turn();
  held.take_notes();
  SECTION("somebody says so") {
    held.session->fail(Errc::bus_refused, "the log cannot be read");
    CHECK(held.take_notes() == Texts{"refused: the log cannot be read"});
    held.session->fail(Errc::bus_lost, "the same again");
    CHECK(held.take_notes().empty());
  }
  SECTION("a reply throws") {
    held.session->commands().command({"PING"}, [](const redisReply&) { throw std::runtime_error("no memory"); });
    held.turn();
    CHECK(held.take_notes() == Texts{"lost: no memory"});
  }
  SECTION("something else throws") {
    held.session->guarded([] { throw std::runtime_error("no memory"); });
    CHECK(held.take_notes() == Texts{"lost: no memory"});
    CHECK_THROWS_AS(held.session->guarded([] { throw std::runtime_error("again"); }), std::runtime_error);
  }
  CHECK(held.redis->connections() == 0);
}

TEST_CASE("what a session is to do later it does in time, unless it is over by then", "[cluster][session]") {
  HeldSession held;
  held.turn();
  held.take_notes();
  const std::unique_ptr<RedisTimer> timer = held.redis->timer();
  SECTION("once") {
    held.session->run_after(*timer, 300ms, [&] { held.notes.push_back("later"); });
    held.redis->let_pass(299ms);
    CHECK(held.take_notes().empty());
    held.redis->let_pass(1ms);
    CHECK(held.take_notes() == Texts{"later"});
    held.redis->let_pass(1h);
    CHECK(held.take_notes().empty());
  }
  SECTION("or instead of it what it was told last") {
    held.session->run_after(*timer, 300ms, [&] { held.notes.push_back("one"); });
    held.session->run_after(*timer, 100ms, [&] { held.notes.push_back("another"); });
    held.redis->let_pass(1h);
    CHECK(held.take_notes() == Texts{"another"});
  }
  SECTION("not when it is over") {
    held.session->run_after(*timer, 300ms, [&] { held.notes.push_back("later"); });
    held.session->close();
    held.redis->let_pass(1h);
    CHECK(held.take_notes().empty());
  }
  SECTION("and ends by what throws then") {
    held.session->run_after(*timer, 300ms, [] { throw std::runtime_error("no memory"); });
    held.redis->let_pass(1h);
    CHECK(held.take_notes() == Texts{"lost: no memory"});
  }
}

TEST_CASE("a session that is closed when written has sent all its commands", "[cluster][session]") {
  HeldSession held;
  held.turn();
  held.take_notes();
  held.redis->set_piece(5);
  held.session->eval(RedisScript::leave, 1, {"nodes", "a name that takes some time"}, held.note("leave"));
  held.session->close_when_written();
  held.turn();
  CHECK(held.redis->last("leave").arguments == Texts{"a name that takes some time"});
  CHECK(held.redis->connections() == 0);
  CHECK(held.take_notes().empty());
}
