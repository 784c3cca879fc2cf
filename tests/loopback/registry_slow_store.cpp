// A store that answers later: the streams that need it wait, and nobody else does.
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/emitter_server.hpp"
#include "support/eventually.hpp"
#include "support/slow_store.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;

namespace {

/// An emitter whose history is slow.
struct SlowHub {
  SlowHub() : hub(options(store)) {}

  static EmitterOptions options(const std::shared_ptr<SlowStore>& store) {
    EmitterOptions options;
    options.replay = store;
    return options;
  }
  void send(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) hub.emitter.send("anna", Event(std::to_string(i)).name("note"));
  }
  /// Answers until `done`, from a thread that has to do with nothing else.
  template <typename Done>
  void answer_until(Done done) {
    std::atomic<bool> stop{false};
    std::thread answering([&] {
      while (!stop) {
        if (store->answer() == 0) std::this_thread::yield();
      }
    });
    done();
    stop = true;
    answering.join();
    CHECK_FALSE(store->fetched_unasked);
  }

  const std::shared_ptr<SlowStore> store = std::make_shared<SlowStore>();
  EmitterServer hub;
};

Texts numbers(std::size_t from, std::size_t to) {
  Texts all;
  for (std::size_t i = from; i < to; ++i) all.push_back(std::to_string(i));
  return all;
}

}  // namespace

TEST_CASE("what a slow store has is heard once and in order, also while events come", "[loopback][registry][slow]") {
  SlowHub slow;
  slow.send(0, 500);
  slow.answer_until([&] {
    std::thread publishing([&] { slow.send(500, 1000); });
    std::vector<EventClient> clients;
    for (int i = 0; i < 5; ++i) clients.push_back(slow.hub.open("/anna", "earliest"));
    for (EventClient& client : clients) CHECK(client.next_data(1000) == numbers(0, 1000));
    publishing.join();
    // And then they are live: nothing has to be asked for.
    slow.hub.emitter.send("anna", Event("live"));
    for (EventClient& client : clients) CHECK(client.next().data == "live");
  });
}

TEST_CASE("while one stream waits for the store, others of its loop go on", "[loopback][registry][slow]") {
  SlowHub slow;
  slow.send(0, 3);
  EventClient anna = slow.hub.open("/anna?greet=1", "earliest");
  EventClient bert = slow.hub.open("/bert");
  CHECK(eventually([&] { return slow.store->waiting() > 0; }));
  slow.hub.emitter.send("bert", Event("at once"));
  CHECK(bert.next().data == "at once");
  slow.answer_until([&] {
    CHECK(anna.next().name == "greeting");
    CHECK(anna.next_data(3) == numbers(0, 3));
  });
}

TEST_CASE("a filter looks through what a slow store has", "[loopback][registry][slow]") {
  SlowHub slow;
  slow.send(0, 2000);
  slow.hub.emitter.send("anna", Event("found").name("rare"));
  slow.send(2000, 2100);
  slow.answer_until([&] {
    EventClient anna = slow.hub.open("/anna?event=rare", "earliest");
    CHECK(anna.next().data == "found");
    slow.hub.emitter.send("anna", Event("live").name("rare"));
    CHECK(anna.next().data == "live");
  });
}

TEST_CASE("a stream that is ended while it waits gets what it is owed first", "[loopback][registry][slow]") {
  SlowHub slow;
  slow.send(0, 100);
  EventClient anna = slow.hub.open("/anna", "earliest");
  CHECK(eventually([&] { return slow.store->waiting() > 0; }));
  slow.hub.emitter.remove("anna");
  slow.hub.emitter.send("anna", Event("too late"));
  slow.answer_until([&] { CHECK(anna.rest() == numbers(0, 100)); });
  CHECK(anna.completed());
}

TEST_CASE("a poll is answered when the store has answered", "[loopback][registry][slow][poll]") {
  SlowHub slow;
  slow.send(0, 3);
  Client client(slow.hub.port());
  client.get("/anna?transport=poll&timeout=0&last_event_id=earliest");
  CHECK(eventually([&] { return slow.store->waiting() > 0; }));
  slow.answer_until([&] {
    const Reply reply = client.read_reply();
    CHECK(reply.status == 200);
    for (const char* data : {"\"data\":\"0\"", "\"data\":\"1\"", "\"data\":\"2\""}) {
      CHECK_THAT(reply.body, Catch::Matchers::ContainsSubstring(data));
    }
  });
}

TEST_CASE("whoever waited may have gone when the store answers", "[loopback][registry][slow][end]") {
  const auto store = std::make_shared<SlowStore>();
  {
    EmitterServer hub(SlowHub::options(store));
    for (int i = 0; i < 3; ++i) hub.emitter.send("anna", Event("x"));
    EventClient leaves = hub.open("/anna", "earliest");
    EventClient stays = hub.open("/anna?event=x", "earliest");
    CHECK(eventually([&] { return store->waiting() >= 2; }));
    leaves.connection().close();
    CHECK(eventually([&] { return hub.emitter.stream_count() == 1; }));
    CHECK(store->answer() >= 2);  // for one that is gone as well
    CHECK(eventually([&] { return store->waiting() > 0; }));
  }
  CHECK(store->answer() > 0);  // the emitter and its server are gone
}
