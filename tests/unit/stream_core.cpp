// The life of one stream: on a loop that turns when the test says so, by a clock that stands, to a client in memory.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/connection/detail/channel.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/connection/detail/http1_head.hpp>
#include <spate/detail/access.hpp>
#include <spate/error.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/stream/detail/stream_settings.hpp>
#include <spate/stream/detail/stream_source.hpp>
#include <spate/stream/detail/transport_choice.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/stream/stream_options.hpp>
#include <spate/wire/decoder.hpp>
#include <spate/wire/event.hpp>

#include "support/catch.hpp"
#include "support/held_loop.hpp"
#include "support/memory_transport.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

/// A stream of HTTP/1.0, whose body is its events and nothing else, unless `framing` says otherwise.
class HeldStream {
 public:
  explicit HeldStream(StreamOptions options = {}, Framing framing = Framing::plain)
      : sink_(make_ref<Sink>(framing)),
        core_(make_ref<StreamCore>(loop_.shard_ref(), make_ref<StreamSettings>(std::move(options)), framing,
                                   Ref<AnswerSink>(sink_), std::make_shared<const Request>())),
        stream(access::handle<EventStream>(core_)) {
    stream.on_timeout([this] { how_it_ended.push_back("timeout"); });
    stream.on_error([this](std::error_code error) { how_it_ended.push_back("error: " + error.message()); });
    stream.on_complete([this] { how_it_ended.push_back("complete"); });
    stream.open();
    turn();
    const std::string head = client().take();
    const std::size_t end = head.find("\r\n\r\n");
    REQUIRE(end != std::string::npos);
    head_ = head.substr(0, end);
    rest_ = head.substr(end + 4);
  }
  HeldStream(const HeldStream&) = delete;
  HeldStream& operator=(const HeldStream&) = delete;
  ~HeldStream() { core_->on_cut(); }

  MemoryTransport::Client& client() { return sink_->transport.client(); }
  const std::string& head() const noexcept { return head_; }

  /// What the client has got since the last call.
  std::string body() { return std::exchange(rest_, {}) + client().take(); }

  void turn() { loop_.turn(); }
  void let_pass(Clock::duration time) { loop_.let_pass(time); }
  HeldLoop& loop() noexcept { return loop_; }
  StreamCore& core() noexcept { return *core_; }

  Texts how_it_ended;

 private:
  struct Sink final : AnswerSink {
    explicit Sink(Framing of) : framing(of) {}
    Channel open_channel(const Request&, const HeaderFields& fields) override {
      return {transport.connect(), http1_head(fields, framing, AfterStream::close)};
    }
    Framing framing;
    void answer(Response) override {}
    MemoryTransport transport;
  };

  std::string head_, rest_;
  const Ref<Sink> sink_;  // the transport outlives what the loop cuts when it stops
  HeldLoop loop_;
  const Ref<StreamCore> core_;

 public:
  EventStream stream;
};

StreamOptions quiet() {
  StreamOptions options;
  options.heartbeat = 0s;
  return options;
}

std::string with_data(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

}  // namespace

TEST_CASE("a stream opens with its head, and an event follows as soon as the loop turns", "[stream]") {
  HeldStream one(quiet());
  CHECK(one.head().substr(0, 15) == "HTTP/1.1 200 OK");
  CHECK(one.body().empty());
  CHECK(one.stream.send(Event("hello")) == SendResult::queued);
  CHECK(one.body().empty());  // never inside the call
  one.turn();
  CHECK(one.body() == with_data("hello"));
}

TEST_CASE("over HTTP/1.1 each event is a chunk, and a stream that has ended says so", "[stream]") {
  HeldStream one(quiet(), Framing::chunked);
  one.stream.send(Event("hello"));
  one.stream.complete();
  one.turn();
  CHECK(one.body() == "d\r\ndata: hello\n\n\r\n0\r\n\r\n");
  CHECK(one.client().saw_end());
  CHECK_FALSE(one.client().is_gone());  // what the client still sends is taken
  one.client().end();
  one.turn();
  CHECK(one.client().is_gone());
  CHECK(one.how_it_ended == Texts{"complete"});
}

TEST_CASE("an idle stream writes one heartbeat in each interval", "[stream][heartbeat]") {
  StreamOptions options;
  options.heartbeat = 15s;
  HeldStream one(options);
  one.let_pass(14s);
  CHECK(one.body().empty());
  one.let_pass(2s);  // those that are due at about the same time come together
  CHECK(one.body() == ":\n\n");
  one.let_pass(60s);
  CHECK(one.body() == ":\n\n:\n\n:\n\n:\n\n");
}

TEST_CASE("an event takes the place of a heartbeat", "[stream][heartbeat]") {
  StreamOptions options;
  options.heartbeat = 15s;
  HeldStream one(options);
  for (int i = 0; i < 10; ++i) {
    one.let_pass(10s);
    one.stream.send(Event("x"));
    one.turn();
    CHECK(one.body() == with_data("x"));
  }
}

TEST_CASE("a client that takes nothing for the write timeout is given up", "[stream][deadline]") {
  StreamOptions options = quiet();
  options.write_timeout = 20s;
  HeldStream one(options);
  one.client().limit_room(10);
  one.stream.send(Event("more than ten bytes"));
  one.let_pass(19s);
  CHECK(one.how_it_ended.empty());
  CHECK(one.stream.is_open());
  one.let_pass(1s);
  CHECK(one.how_it_ended == Texts{"timeout", "complete"});
  CHECK(one.client().is_gone());
}

TEST_CASE("a client that takes some of it, though slowly, is waited for", "[stream][deadline]") {
  StreamOptions options = quiet();
  options.write_timeout = 20s;
  options.min_rate = 1;
  HeldStream one(options);
  one.client().limit_room(100);
  const std::string large(1000, 'x');
  one.stream.send(Event(large));
  std::string got;
  for (int i = 0; i < 20; ++i) {
    one.let_pass(19s);
    got += one.client().take(60);
    one.turn();
  }
  CHECK(got == with_data(large));
  CHECK(one.how_it_ended.empty());
}

TEST_CASE("time that a client has nothing to take is not the client's", "[stream][deadline]") {
  StreamOptions options = quiet();
  options.write_timeout = 20s;
  HeldStream one(options);
  one.let_pass(1h);
  one.stream.send(Event("late"));
  one.turn();
  CHECK(one.body() == with_data("late"));
  CHECK(one.how_it_ended.empty());
}

TEST_CASE("however writes are split, the client gets the same bytes", "[stream][split]") {
  std::string all;
  {
    HeldStream whole(quiet(), Framing::chunked);
    for (const char* const data : {"one", "two\nlines", ""}) whole.stream.send(Event(data));
    whole.stream.complete();
    whole.turn();
    all = whole.body();
  }
  for (std::size_t most = 1; most <= all.size(); ++most) {
    CAPTURE(most);
    HeldStream split(quiet(), Framing::chunked);
    split.client().split_writes(most);
    for (const char* const data : {"one", "two\nlines", ""}) split.stream.send(Event(data));
    split.stream.complete();
    split.turn();
    CHECK(split.body() == all);
    CHECK(split.client().saw_end());

    HeldStream full(quiet(), Framing::chunked);
    full.client().limit_room(most);
    for (const char* const data : {"one", "two\nlines", ""}) full.stream.send(Event(data));
    full.stream.complete();
    std::string got;
    for (std::size_t i = 0; i <= all.size() / most; ++i) {
      full.turn();
      CHECK(full.client().waiting().size() <= most);
      got += full.client().take();
    }
    CHECK(got == all);
    CHECK(full.client().saw_end());
  }
}

TEST_CASE("whichever write fails, the stream ends once and is told why", "[stream][failure]") {
  for (std::size_t count = 0; count < 3; ++count) {
    CAPTURE(count);
    HeldStream one(quiet());
    one.client().fail_write(count, std::make_error_code(std::errc::no_buffer_space));
    for (int i = 0; i < 5; ++i) {
      one.stream.send(Event("x"));
      one.turn();
    }
    CHECK(one.client().take().size() == count * with_data("x").size());
    CHECK(one.how_it_ended ==
          Texts{"error: " + std::make_error_code(std::errc::no_buffer_space).message(), "complete"});
    CHECK(one.client().is_gone());
    CHECK(one.stream.send(Event("y")) == SendResult::closed);
  }
}

TEST_CASE("a client that leaves is noticed at once, and that is no error", "[stream][end]") {
  HeldStream one(quiet());
  SECTION("by ending its side") {
    one.client().end();
  }
  SECTION("while something waits for it") {
    one.client().limit_room(3);
    one.stream.send(Event("x"));
    one.turn();
    one.client().end();
  }
  one.turn();
  CHECK(one.how_it_ended == Texts{"complete"});
  CHECK(one.client().is_gone());
  CHECK_FALSE(one.stream.is_open());
}

TEST_CASE("what a client sends after its request is taken and means nothing", "[stream]") {
  HeldStream one(quiet());
  one.client().send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  one.stream.send(Event("x"));
  one.turn();
  CHECK(one.body() == with_data("x"));
  CHECK(one.stream.is_open());
}

TEST_CASE("a stream ends with its lifetime, at 80 to 100 % of it", "[stream][lifetime]") {
  StreamOptions options = quiet();
  options.lifetime = 100s;
  options.farewell = [](EndReason reason) { return Event(std::string(to_string(reason))); };
  HeldStream one(options);
  one.let_pass(80s - 1ms);
  CHECK(one.how_it_ended.empty());
  one.let_pass(20s + 1ms);
  CHECK(one.body() == with_data("lifetime"));
  CHECK(one.how_it_ended == Texts{"timeout", "complete"});
}

TEST_CASE("a credential ends by the clock on the wall, also when somebody sets it", "[stream][lifetime]") {
  StreamOptions options;
  options.heartbeat = 15s;
  HeldStream one(options);
  one.stream.expire_at(one.loop().clock().wall_now() + 1h);
  one.let_pass(30min);
  CHECK(one.stream.is_open());
  one.loop().clock().set_wall(one.loop().clock().wall_now() + 2h);
  one.let_pass(16s);  // it looks as often as heartbeats come
  CHECK_FALSE(one.stream.is_open());
  CHECK(one.how_it_ended == Texts{"complete"});
}

TEST_CASE("a queue that is full does what its policy says", "[stream][overflow]") {
  StreamOptions options = quiet();
  options.max_queued_events = 2;
  const auto fill = [](HeldStream& one) {
    one.client().limit_room(1);  // from here on everything waits
    one.stream.send(Event("first"));
    one.turn();
    for (const char* const data : {"a", "b", "c", "d"}) {
      one.stream.send(Event(data));
      one.turn();
    }
    std::string got = one.client().take();
    one.client().limit_room(MemoryTransport::unlimited);
    one.turn();
    return got + one.client().take();
  };
  SECTION("close") {
    HeldStream one(options);
    CHECK(fill(one) == "d");
    CHECK(one.how_it_ended == Texts{"error: " + make_error_code(Errc::queue_overflow).message(), "complete"});
  }
  SECTION("drop_oldest") {
    options.overflow = Overflow::drop_oldest;
    HeldStream one(options);
    const std::string got = fill(one);
    CHECK(got.substr(0, with_data("first").size()) == with_data("first"));  // it had begun to go out
    CHECK(got.find("event: gap\n") != std::string::npos);
    CHECK(got.find(with_data("a")) == std::string::npos);
    CHECK(got.find(with_data("b")) == std::string::npos);
    CHECK(got.substr(got.size() - with_data("d").size()) == with_data("d"));
    CHECK(one.stream.is_open());
  }
  SECTION("drop_newest") {
    options.overflow = Overflow::drop_newest;
    HeldStream one(options);
    const std::string got = fill(one);
    CHECK(got == with_data("first") + with_data("a"));
    one.stream.send(Event("e"));
    one.turn();
    const std::string rest = one.client().take();
    CHECK(rest.find("event: gap\n") == 0);  // told before the next that comes
    CHECK(rest.find(with_data("e")) != std::string::npos);
  }
}

TEST_CASE("an awaited event completes when it is with the transport, and not before", "[stream][async]") {
  HeldStream one(quiet());
  one.client().limit_room(4);
  std::optional<std::error_code> completed;
  struct Waiting final : SendWaiter {
    explicit Waiting(std::optional<std::error_code>& result) : result_(result) {}
    void done(std::error_code error) override { result_ = error; }
    std::optional<std::error_code>& result_;
  };
  one.core().send(EncodedEvent(Event("hello")), make_ref<Waiting>(completed));
  one.turn();
  CHECK_FALSE(completed);
  while (!completed && !one.client().take().empty()) one.turn();
  REQUIRE(completed);
  CHECK_FALSE(*completed);
}

namespace {

/// A source that looks for something, and does not come to an end of it.
class Looking final : public StreamSource {
 public:
  std::uint64_t accepted() const override { return 1; }
  bool owes(std::uint64_t) const override { return true; }
  bool pull(std::uint64_t) override { return false; }
  bool busy() const override { return true; }
  bool reads() const override { return false; }
  bool awaits_pull() const override { return false; }
  bool leave() override { return true; }
  void queue_unread() override {}
  void settle(GzipBody&) override {}
  void lose_place(GzipBody&) noexcept override {}
  void stream_ended(EndReason) override {}
};

}  // namespace

TEST_CASE("a poll whose credential runs out is answered, also when that is together with its timeout",
          "[stream][poll][lifetime]") {
  struct Sink final : AnswerSink {
    Channel open_channel(const Request&, const HeaderFields&) override { return {}; }
    void answer(Response response) override { answered = response.status(); }
    int answered = 0;
  };
  const auto after = GENERATE(9s, 10s, 11s);
  CAPTURE(after.count());
  HeldLoop loop;
  const auto sink = make_ref<Sink>();
  TransportChoice choice;
  choice.transport = Transport::poll;
  choice.timeout = 10s;
  const auto core =
      make_ref<StreamCore>(loop.shard_ref(), make_ref<StreamSettings>(StreamOptions()), Framing::chunked,
                           Ref<AnswerSink>(sink), std::make_shared<const Request>(), HeaderFields(), choice);
  core->expire_at(loop.clock().wall_now() + after);
  core->open();
  loop.turn();
  core->add_source(make_ref<Looking>());
  loop.let_pass(8s);
  CHECK(sink->answered == 0);
  loop.let_pass(20s);
  CHECK(sink->answered == 200);
  core->on_cut();
}
