// What an answered poll leaves behind for its grace: a user, a client's name and a place, and no answer.
#include <cstddef>
#include <memory>
#include <string>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/emitter.hpp>
#include <spate/server/server.hpp>
#include "alloc/memory/memory.hpp"
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// Clients that poll, whose streams nobody else holds.
class Polling {
 public:
  explicit Polling(std::size_t bytes_of_history) : emitter_(options()), server_(any_port(1)) {
    server_.stream("/{user}",
                   [this](const EventStream& stream) { emitter_.add(stream.request()->param("user"), stream); });
    server_.start();
    for (std::size_t kept = 0; kept < bytes_of_history; kept += 10'000) {
      emitter_.broadcast(Event(std::string(10'000, 'x')));
    }
  }

  /// So many polls on one connection, each as another client of `user`.
  void poll(const std::string& user, std::size_t times) {
    Client client(server_.port());
    for (std::size_t i = 0; i < times; ++i) {
      client.get("/" + user + "?transport=poll&timeout=0&last_event_id=earliest&client=" + std::to_string(clients_++));
      CHECK(client.read_reply().status == 200);
    }
    client.close();
    CHECK(eventually([&] { return server_.stats().connections == 0; }));
  }

  std::size_t registered() const { return emitter_.stream_count(); }

 private:
  static EmitterOptions options() {
    EmitterOptions options;
    options.replay = std::make_shared<MemoryReplayStore>();
    options.max_polls_per_user = 0;
    options.poll_grace = std::chrono::hours(1);
    return options;
  }

  Emitter emitter_;
  Server server_;
  std::size_t clients_ = 0;
};

}  // namespace

TEST_CASE("an answered poll keeps some two hundred bytes, however large its answer was", "[registry][poll][cost]") {
  constexpr std::size_t times = 500;
  const std::size_t history = GENERATE(std::size_t{0}, std::size_t{200'000});
  Polling polling(history);
  polling.poll("anna", 100);  // what grows by the hundred has grown
  const std::size_t before = live_bytes();
  polling.poll("anna", times);
  CHECK(polling.registered() == 100 + times);
  // The heap of timers, and the table of names, may have doubled meanwhile. The last answer is let go of soon.
  const bool let_go = eventually([&] { return live_bytes() < before + times * 300; });
  CAPTURE(before, live_bytes());
  CHECK(let_go);
}
