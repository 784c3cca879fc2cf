// Bytes to a peer that has to take them in time, whatever its transport takes at once: in memory, by a clock that
// stands.
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <spate/loop/detail/resident.hpp>
#include <spate/transport/detail/timed_writer.hpp>

#include "support/catch.hpp"
#include "support/held_loop.hpp"
#include "support/memory_transport.hpp"

using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

constexpr WriteLimits limits{20s, 100};
constexpr std::string_view hello = "hello, you who read this";

/// What Session and AdoptedSocket do with a TimedWriter: go on when the peer takes bytes again, give up when it is
/// late.
class Answering final : public Resident {
 public:
  Answering(HeldLoop& loop, const Peer& peer, std::string_view bytes) : loop_(loop), peer_(peer), bytes_(bytes) {}

  void write() {
    const std::string_view rest = std::string_view(bytes_).substr(sent);
    sent += writer_.write(peer_, asio::buffer(rest), loop_.shard().now(), error);
    if (error == asio::error::would_block) loop_.shard().set_timer(*this, writer_.next(limits));
  }
  void on_writable() override { write(); }
  void on_timer(TimePoint now) override {
    gave_up = !writer_.keeps_up(peer_, now, limits);
    if (!gave_up) loop_.shard().set_timer(*this, writer_.next(limits));
  }
  TimePoint next() const { return writer_.next(limits); }

  std::size_t sent = 0;
  std::error_code error;
  bool gave_up = false;

 private:
  HeldLoop& loop_;
  const Peer& peer_;
  const std::string bytes_;
  TimedWriter writer_;
};

struct OnePeer {
  explicit OnePeer(std::string_view bytes = hello) : answering(make_ref<Answering>(loop, peer, bytes)) {
    peer.set_resident(answering);
  }
  OnePeer(const OnePeer&) = delete;
  OnePeer& operator=(const OnePeer&) = delete;
  ~OnePeer() {
    loop.shard().set_timer(*answering, never);
    peer.close();
  }

  MemoryTransport::Client& client() { return transport.client(); }

  HeldLoop loop;
  MemoryTransport transport;
  Peer peer = transport.connect();
  const Ref<Answering> answering;
};

}  // namespace

TEST_CASE("what a peer takes at once has no deadline", "[transport][writer]") {
  OnePeer one;
  SECTION("whole") {}
  SECTION("byte by byte, without having refused any") {
    one.client().split_writes(1);
  }
  one.answering->write();
  CHECK_FALSE(one.answering->error);
  CHECK(one.answering->sent == hello.size());
  CHECK(one.client().take() == hello);
  CHECK(one.answering->next() == never);
}

TEST_CASE("nothing is written without an attempt, and without an error", "[transport][writer]") {
  OnePeer one("");
  one.client().fail_write(0, asio::error::broken_pipe);
  one.answering->error = asio::error::would_block;
  one.answering->write();
  CHECK_FALSE(one.answering->error);
}

TEST_CASE("what a peer refuses goes on after what it took", "[transport][writer]") {
  OnePeer one;
  one.client().limit_room(5);
  one.client().split_writes(2);
  one.answering->write();
  CHECK(one.answering->error == asio::error::would_block);
  CHECK(one.answering->sent == 5);
  CHECK(one.answering->next() == one.loop.now() + 20s);

  // It is asked for as often as something is refused, and nothing has to be asked for by the test.
  std::string all;
  while (one.answering->error == asio::error::would_block) {
    const std::string taken = one.client().take();
    REQUIRE_FALSE(taken.empty());
    all += taken;
  }
  all += one.client().take();
  CHECK_FALSE(one.answering->error);
  CHECK(all == hello);
  CHECK(one.answering->next() == never);
}

TEST_CASE("a peer that has gone takes nothing more", "[transport][writer]") {
  OnePeer one;
  one.client().split_writes(4);
  one.client().fail_write(2, asio::error::connection_reset);
  one.answering->write();
  CHECK(one.answering->error == asio::error::connection_reset);
  CHECK(one.answering->sent == 8);
  CHECK(one.answering->next() == never);
  CHECK(one.client().take() == hello.substr(0, 8));
}

TEST_CASE("a peer keeps its deadline by what it acknowledges", "[transport][writer]") {
  OnePeer one(std::string(10'000, 'x'));
  one.client().limit_room(1000);
  one.answering->write();
  const TimePoint first = one.loop.now() + 20s;

  SECTION("enough, for as long as it lasts") {
    one.client().split_writes(30);
    for (int i = 0; i < 50; ++i) {
      one.client().take(100);
      one.loop.let_pass(20s);
      REQUIRE_FALSE(one.answering->gave_up);
    }
    // What is written meanwhile does not put it off.
    one.client().take(99);
    one.loop.let_pass(20s);
    CHECK(one.answering->gave_up);
  }
  SECTION("one byte too few, however often it takes some") {
    for (int i = 0; i < 99; ++i) {
      one.client().take(1);
      REQUIRE(one.answering->next() == first);
    }
    one.loop.let_pass(20s);
    CHECK(one.answering->gave_up);
  }
  SECTION("and has none once it has taken all") {
    while (one.answering->error) one.client().take();
    CHECK(one.answering->next() == never);
  }
}

TEST_CASE("a peer that is slow again has a new deadline", "[transport][writer]") {
  OnePeer one(std::string(1000, 'x'));
  one.client().limit_room(400);
  one.answering->write();
  one.loop.let_pass(15s);
  while (one.answering->error) one.client().take(400);
  one.client().take();
  CHECK(one.answering->next() == never);

  // Its time begins anew, and what it had taken before does not count.
  one.answering->sent = 0;
  one.answering->write();
  CHECK(one.answering->next() == one.loop.now() + 20s);
  one.client().take(99);
  one.loop.let_pass(20s);
  CHECK(one.answering->gave_up);
}
