// The Redis in memory that the other tests of this layer rely on.
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/buffer.hpp>

#include <spate/cluster/detail/redis_io.hpp>
#include "support/catch.hpp"
#include "support/held_redis.hpp"
#include "support/texts.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// A socket that is connected, with what it was told.
class Client {
 public:
  explicit Client(HeldRedis& redis) : redis_(redis), socket_(redis.socket()) {
    socket_->resolve("localhost", 6379, [this](const std::error_code& error, const RedisSocket::Addresses& found) {
      notes.push_back(error ? "no name" : "name");
      if (error) return;
      socket_->connect(found.begin()->endpoint(),
                       [this](const std::error_code& refused) { notes.push_back(refused ? "refused" : "connected"); });
    });
    redis.turn();
  }

  void write(const std::string& bytes) {
    socket_->write_some(asio::buffer(bytes), [this](const std::error_code& error, std::size_t size) {
      notes.push_back(error ? "not written" : "written " + std::to_string(size));
    });
    redis_.turn();
  }
  void read() {
    socket_->read_some(asio::buffer(buffer_), [this](const std::error_code& error, std::size_t size) {
      notes.push_back(error ? "not read" : std::string(buffer_.data(), size));
    });
    redis_.turn();
  }
  Texts take_notes() { return std::exchange(notes, {}); }

  Texts notes;

 private:
  HeldRedis& redis_;
  std::vector<char> buffer_ = std::vector<char>(100);
  const std::unique_ptr<RedisSocket> socket_;
};

const std::string ping = "*1\r\n$4\r\nPING\r\n";

}  // namespace

TEST_CASE("time passes from one moment that is waited for to the next", "[support]") {
  HeldRedis redis;
  const TimePoint began = redis.now();
  const auto one = redis.timer(), another = redis.timer();
  std::vector<TimePoint::duration> moments;
  one->set(250ms, [&] { moments.push_back(redis.now() - began); });
  another->set(100ms, [&] {
    moments.push_back(redis.now() - began);
    another->set(50ms, [&] { moments.push_back(redis.now() - began); });
  });
  CHECK(redis.next_moment() == began + 100ms);
  redis.let_pass(249ms);
  CHECK(moments == std::vector<TimePoint::duration>{100ms, 150ms});
  one->cancel();
  CHECK(redis.next_moment() == never);
  redis.let_pass(1h);
  CHECK(moments.size() == 2);
  CHECK(redis.now() == began + 1h + 249ms);
}

TEST_CASE("bytes go and come in the pieces that are asked for", "[support]") {
  HeldRedis redis;
  Client client(redis);
  redis.set_piece(5);
  CHECK(client.take_notes() == Texts{"name", "connected"});
  for (std::size_t from = 0; from < ping.size(); from += 5) client.write(ping.substr(from, 5));
  CHECK(client.take_notes() == Texts{"written 5", "written 5", "written 4"});
  CHECK(redis.take_heard() == Texts{"PING"});
  client.read();
  client.read();
  client.read();
  CHECK(client.take_notes() == Texts{"+PONG", "\r\n"});  // the third waits
  redis.send(0, "+more");
  CHECK(client.take_notes() == Texts{"+more"});
}

TEST_CASE("the operation that is to fail does, and its connection with it", "[support]") {
  HeldRedis redis;
  const auto lost = GENERATE(HeldRedis::Lost::before, HeldRedis::Lost::after);
  SECTION("the name") {
    redis.fail_after(0, lost);
    Client client(redis);
    CHECK(client.take_notes() == Texts{"no name"});
  }
  SECTION("the connection") {
    redis.fail_after(1, lost);
    Client client(redis);
    CHECK(client.take_notes() == Texts{"name", "refused"});
  }
  SECTION("a command, which Redis has had or not") {
    Client client(redis);
    redis.fail_after(0, lost);
    client.read();
    client.write(ping);
    CHECK(client.take_notes() == Texts{"name", "connected", "not read", "not written"});
    CHECK(redis.count("PING") == (lost == HeldRedis::Lost::after ? 1 : 0));
  }
  SECTION("an answer") {
    Client client(redis);
    redis.fail_after(1, lost);
    client.write(ping);
    CHECK_FALSE(redis.has_failed());
    client.read();
    CHECK(client.take_notes() == Texts{"name", "connected", "written 14", "not read"});
  }
  CHECK(redis.has_failed());
  CHECK(redis.connections() == 0);
}

TEST_CASE("commands that are held wait for what the test answers, and others after them", "[support]") {
  HeldRedis redis;
  Client client(redis);
  client.take_notes();
  redis.hold("GET");
  client.write("*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
  client.write(ping);
  client.read();
  CHECK(client.take_notes() == Texts{"written 20", "written 14"});
  CHECK(redis.last("GET").words == Texts{"a"});
  redis.reply("GET", resp::bulk("b"));
  CHECK(client.take_notes() == Texts{"$1\r\nb\r\n"});
  client.read();
  CHECK(client.take_notes() == Texts{"+PONG\r\n"});
}
