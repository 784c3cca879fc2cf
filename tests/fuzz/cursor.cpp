// `query LF field lines`: whatever cursor, filter and transport a client names, it is answered 200 or 400, and is shown
// events of its own only. (WHATWG 9.2.4, 9.2.3)
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include <spate/history/detail/cursor.hpp>
#include <spate/spate.hpp>
#include "fuzz/local_connection.hpp"

using namespace spate;
using test::require;
using test::take_until;

namespace {

// A store whose ids are the same in every run.
class FixedStore final : public ReplayStore {
 public:
  std::string_view epoch() const override { return "e"; }
  std::uint64_t newest() const override { return store_.newest(); }
  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    store_.append(sequence, audience, event);
  }
  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) override {
    return store_.fetch(user, after, max_bytes, events);
  }

 private:
  static ReplayLimits limits() {
    ReplayLimits limits;
    limits.max_events = 8;
    return limits;
  }
  MemoryReplayStore store_{limits()};
};

struct World {
  asio::io_context io{1};
  Server server{io, options()};
  Emitter emitter{emitter_options()};

  World() {
    server.stream("/s", [this](const EventStream& stream) {
      SubscribeOptions subscribe;
      subscribe.events = stream.request()->query_all("event");
      emitter.add("alice", stream, subscribe);
    });
    for (const char* to : {"bob", "alice"}) {
      emitter.send(to, Event(to == std::string_view("bob") ? "secret" : "hers").name("n"));
    }
    for (int i = 0; i < 6; ++i) {
      emitter.send(i % 2 == 0 ? "bob" : "alice", Event(i % 2 == 0 ? "secret" : "hers"));
      emitter.send_group("bo", Event("secret"));
    }
  }

  static ServerOptions options() {
    ServerOptions options;
    options.request_timeout = options.idle_timeout = std::chrono::milliseconds(0);
    return options;
  }
  static EmitterOptions emitter_options() {
    EmitterOptions options;
    options.replay = std::make_shared<FixedStore>();
    options.poll_grace = std::chrono::milliseconds(0);
    return options;
  }
};

void check_id(std::string_view text) {
  if (const auto sequence = detail::Cursor::parse(text).sequence_in("e")) {
    require(detail::format_event_id("e", *sequence) == text, "an id has one spelling", text);
  }
}

}  // namespace

void fuzz(std::string_view input) {
  static World world;
  const std::string_view query = take_until(input, '\n');
  check_id(query);
  std::string fields(input);
  // Lines of the input are lines of the head.
  std::erase(fields, '\r');
  for (std::size_t at = 0; (at = fields.find('\n', at)) != std::string::npos; at += 2) fields.insert(at, 1, '\r');
  if (!fields.empty() && !fields.ends_with("\n")) fields += "\r\n";

  std::string answer;
  {
    test::LocalConnection connection(world.io, world.server);
    connection.send("GET /s?" + std::string(query) + " HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    answer = connection.take();
  }
  require(answer.find("secret") == std::string::npos || query.find("secret") != std::string_view::npos ||
              fields.find("secret") != std::string::npos,
          "nobody sees what others were sent", answer);
  require(answer.empty() || answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 4") ||
              answer.starts_with("HTTP/1.1 5"),
          "an answer", answer);
  require(!answer.starts_with("HTTP/1.1 500 "), "no handler fails", answer);
  // A poll waits on for a moment: its client may only have sent all.
  if (answer.find("text/event-stream") == std::string::npos) world.emitter.remove("alice");
  require(world.emitter.counts().streams == 0, "who has gone is not registered", answer);
}
