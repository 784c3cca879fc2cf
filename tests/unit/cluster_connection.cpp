// One connection to a Redis in memory: how it begins, how answers find who asked, and all the ways in which it ends.
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/cluster/detail/redis_connection.hpp>
#include <spate/error.hpp>
#include "support/catch.hpp"
#include "support/held_redis.hpp"
#include "support/texts.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using spate::Errc;

namespace {

/// A connection, and what it tells.
class HeldConnection {
 public:
  explicit HeldConnection(const std::string& url = "redis://localhost",
                          std::shared_ptr<HeldRedis> at = std::make_shared<HeldRedis>())
      : redis(std::move(at)) {
    connection = std::make_shared<RedisConnection>(redis, parse_redis_url(url), 1s,
                                                   noting_events<RedisConnection::Events>(notes));
    connection->start();
  }
  HeldConnection(const HeldConnection&) = delete;
  HeldConnection& operator=(const HeldConnection&) = delete;
  ~HeldConnection() {
    connection->close();
    redis->turn();
  }

  void turn() { redis->turn(); }
  /// Asks, and notes the answer after `name`.
  void ask(const std::string& name, const std::vector<std::string_view>& words,
           std::chrono::milliseconds blocks = std::chrono::milliseconds(0)) {
    connection->command(
        words,
        [this, name](const redisReply& reply) {
          notes.push_back(
              name + " " +
              (reply.type == REDIS_REPLY_INTEGER ? std::to_string(reply.integer) : std::string(text_of(reply))));
        },
        blocks);
    turn();
  }
  Texts take_notes() { return std::exchange(notes, {}); }

  const std::shared_ptr<HeldRedis> redis;
  std::shared_ptr<RedisConnection> connection;
  Texts notes;
};

}  // namespace

TEST_CASE("a connection is ready once Redis answers", "[cluster][connection]") {
  HeldConnection held;
  CHECK(held.take_notes().empty());  // nothing happens inside the call
  held.turn();
  CHECK(held.redis->take_heard() == Texts{"PING"});
  CHECK(held.take_notes() == Texts{"ready"});
}

TEST_CASE("it says who it is and which database it wants before anything else", "[cluster][connection]") {
  HeldConnection held("redis://anna:secret@localhost/7");
  held.turn();
  CHECK(held.redis->take_heard() == Texts{"AUTH", "SELECT", "PING"});
  CHECK(held.redis->last("AUTH").words == Texts{"anna", "secret"});
  CHECK(held.redis->last("SELECT").words == Texts{"7"});
  CHECK(held.take_notes() == Texts{"ready"});
}

TEST_CASE("a connection that is refused ends, and says why in the words of Redis", "[cluster][connection]") {
  HeldConnection held("redis://anna:secret@localhost/7");
  const std::string command = GENERATE("AUTH", "SELECT", "PING");
  held.redis->reply(command, resp::error("WRONG " + command));
  CHECK(held.take_notes() == Texts{"refused: WRONG " + command});
  CHECK(held.redis->connections() == 0);
}

TEST_CASE("all addresses of a name are tried, one after the other", "[cluster][connection]") {
  const auto redis = std::make_shared<HeldRedis>();
  redis->set_addresses(3);
  SECTION("until one leads to Redis") {
    HeldConnection held("redis://localhost", redis);
    held.turn();
    CHECK(redis->attempts() == 3);
    CHECK(held.take_notes() == Texts{"ready"});
  }
  SECTION("and when none does, the last failure is told") {
    redis->refuse_connections(true);
    HeldConnection held("redis://localhost", redis);
    held.turn();
    CHECK(redis->attempts() == 3);
    CHECK(held.take_notes() == Texts{"lost: Connection refused"});
  }
}

TEST_CASE("answers find who asked, in whatever pieces they come", "[cluster][connection]") {
  HeldConnection held;
  held.redis->set_piece(GENERATE(1, 2, 3, 7, 0));
  held.turn();
  held.redis->hold("GET");
  held.ask("first", {"GET", "a"});
  held.ask("second", {"GET", "b"});
  held.ask("third", {"PUBLISH", "c", "text"});
  CHECK(held.take_notes() == Texts{"ready"});
  held.redis->reply("GET", resp::bulk("a\r\nlong answer"));
  held.redis->reply("GET", resp::integer(-7));
  CHECK(held.take_notes() == Texts{"first a\r\nlong answer", "second -7", "third 1"});
}

TEST_CASE("messages of channels come between answers", "[cluster][connection]") {
  HeldConnection held;
  held.turn();
  held.connection->subscribe({"one", "another"}, [&] { held.notes.push_back("subscribed"); });
  held.turn();
  CHECK(held.take_notes() == Texts{"ready", "subscribed"});  // once, though each channel is answered
  held.redis->publish("one", "hello");
  held.redis->hold("PING");
  held.ask("ping", {"PING"});
  held.redis->publish("another", "good bye");
  held.redis->let_go("PING");
  CHECK(held.take_notes() == Texts{"message hello", "message good bye", "ping "});
}

TEST_CASE("what nobody waits for and Redis refuses ends the connection", "[cluster][connection]") {
  HeldConnection held;
  held.turn();
  held.redis->hold("SET");
  held.connection->command({"SET", "a", "b"}, {});
  SECTION("an error") {
    held.redis->reply("SET", resp::error("READONLY no writes"));
    CHECK(held.take_notes() == Texts{"ready", "refused: READONLY no writes"});
  }
  SECTION("but nothing else") {
    held.redis->reply("SET", resp::simple("OK"));
    CHECK(held.take_notes() == Texts{"ready"});
  }
}

TEST_CASE("who does not speak as Redis does is given up", "[cluster][connection]") {
  HeldConnection held;
  held.turn();
  held.take_notes();
  SECTION("garbage") {
    held.redis->send(0, "HTTP/1.1 400 Bad Request\r\n");
    REQUIRE(held.notes.size() == 1);
    CHECK_THAT(held.notes[0], Catch::Matchers::StartsWith("lost: what came is not the protocol of Redis: "));
  }
  SECTION("an answer to nothing") {
    held.redis->send(0, resp::simple("OK"));
    CHECK(held.take_notes() == Texts{"lost: an answer came that nobody asked for"});
  }
  CHECK(held.redis->connections() == 0);
}

TEST_CASE("an answer that is overdue ends the connection", "[cluster][connection]") {
  HeldConnection held;
  held.turn();
  held.redis->let_pass(1h);
  CHECK(held.take_notes() == Texts{"ready"});  // nothing is due
  held.redis->hold("GET");
  SECTION("after the timeout, looked at each quarter of it") {
    held.ask("value", {"GET", "a"});
    held.redis->let_pass(1s);
    CHECK(held.take_notes().empty());
    held.redis->let_pass(250ms);
    CHECK(held.take_notes() == Texts{"lost: no answer for 1000 ms"});
  }
  SECTION("later, if it may block") {
    held.ask("value", {"GET", "a"}, 2s);
    held.redis->let_pass(3s);
    CHECK(held.take_notes().empty());
    held.redis->let_pass(250ms);
    CHECK(held.take_notes() == Texts{"lost: no answer for 1000 ms"});
  }
  SECTION("but not while bytes of it come") {
    held.ask("value", {"GET", "a"});
    const std::string answer = resp::bulk("a long answer");
    for (const char byte : answer) {
      held.redis->let_pass(900ms);
      CHECK(held.take_notes().empty());
      held.redis->send(0, {byte});
    }
    CHECK(held.take_notes() == Texts{"value a long answer"});
  }
  SECTION("counted from the question, however long nothing was asked before") {
    held.redis->let_pass(10s);
    held.ask("value", {"GET", "a"});
    held.redis->let_pass(900ms);
    held.redis->reply("GET", resp::bulk("in time"));
    CHECK(held.take_notes() == Texts{"value in time"});
  }
}

TEST_CASE("a Redis that takes the connection and says nothing is given up", "[cluster][connection]") {
  HeldConnection held;
  held.redis->hold("PING");
  held.redis->let_pass(1250ms);
  CHECK(held.take_notes() == Texts{"lost: no answer for 1000 ms"});
}

TEST_CASE("a Redis that cannot be reached is given up", "[cluster][connection]") {
  const auto redis = std::make_shared<HeldRedis>();
  redis->ignore_connections();
  HeldConnection held("redis://localhost", redis);
  held.redis->let_pass(1250ms);
  CHECK(held.take_notes() == Texts{"lost: no answer for 1000 ms"});
}

TEST_CASE("a long command may take any time, as long as pieces of it are taken", "[cluster][connection]") {
  HeldConnection held;
  held.turn();
  held.take_notes();
  held.redis->set_piece(8);
  held.redis->stop_taking();
  held.ask("reached", {"PUBLISH", "channel", "a long text"});
  held.redis->take_piece();  // there is room for it between the two
  for (int pieces = 0; pieces < 4; ++pieces) {
    held.redis->let_pass(900ms);
    CHECK(held.take_notes().empty());
    held.redis->take_piece();
  }
  SECTION("to its end") {
    held.redis->let_pass(900ms);
    held.redis->take_piece();
    CHECK(held.redis->last("PUBLISH").words == Texts{"channel", "a long text"});
    CHECK(held.take_notes() == Texts{"reached 1"});
  }
  SECTION("but no longer") {
    held.redis->let_pass(1250ms);
    CHECK(held.take_notes() == Texts{"lost: no answer for 1000 ms"});
  }
}

TEST_CASE("whichever operation fails, the connection ends once and says so", "[cluster][connection]") {
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  std::size_t failures = 0;
  for (;; ++failures) {
    INFO("after " << failures << " operations");
    const auto redis = std::make_shared<HeldRedis>();
    redis->fail_after(failures, lost);
    HeldConnection held("redis://localhost", redis);
    held.turn();
    if (held.redis->has_failed()) {
      REQUIRE(held.notes.size() == 1);
      CHECK_THAT(held.notes[0], Catch::Matchers::StartsWith("lost: "));
      CHECK(held.redis->connections() == 0);
      held.take_notes();
      held.ask("late", {"GET", "a"});
      held.redis->let_pass(1h);
      CHECK(held.take_notes().empty());
      continue;
    }
    CHECK(held.take_notes() == Texts{"ready"});
    break;
  }
  CHECK(failures == 4);  // the name, the address, the PING, its answer
}

TEST_CASE("a connection that is closed tells nothing more", "[cluster][connection]") {
  HeldConnection held;
  held.turn();
  held.take_notes();
  held.redis->hold("GET");
  held.ask("value", {"GET", "a"});
  SECTION("at once") {
    held.connection->close();
    held.turn();
  }
  SECTION("or when all is written") {
    held.redis->set_piece(1);
    held.connection->command({"PUBLISH", "channel", "good bye"}, {});
    held.connection->close_when_written();
    CHECK(held.redis->connections() == 1);
    held.turn();
    CHECK(held.redis->last("PUBLISH").words == Texts{"channel", "good bye"});
  }
  CHECK(held.redis->connections() == 0);
  held.redis->let_pass(1h);
  CHECK(held.take_notes().empty());
}
