// A store that answers later: the streams that need it wait, and nobody else does.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
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

TEST_CASE("a poll does not wait for a store beyond its own time", "[loopback][registry][slow][poll]") {
  SlowHub slow;
  slow.send(0, 3);
  Client client(slow.hub.port());
  // The store is asked and does not answer: the client gets an empty answer, and keeps its cursor.
  for (const char* timeout : {"0", "50"}) {
    CAPTURE(timeout);
    client.get(std::string("/anna?transport=poll&last_event_id=") + slow.hub.id(1) + "&timeout=" + timeout);
    const Reply reply = client.read_reply();
    CHECK(reply.status == 200);
    CHECK_THAT(reply.body, Catch::Matchers::ContainsSubstring("\"events\":[]"));
    CHECK_THAT(reply.body, Catch::Matchers::ContainsSubstring(slow.hub.id(1)));
  }
}

TEST_CASE("what waits for a store does not own it", "[loopback][registry][slow][end]") {
  /// It reads on a thread of its own, which ends with it.
  class ThreadStore final : public ReplayStore {
   public:
    explicit ThreadStore(std::atomic<std::thread::id>& ended_by) : ended_by_(ended_by) {}
    ~ThreadStore() override {
      stop_ = true;
      reading_.join();
      ended_by_ = std::this_thread::get_id();
    }
    std::string_view epoch() const override { return kept_.epoch(); }
    std::uint64_t newest() const override { return kept_.newest(); }
    void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
      kept_.append(sequence, audience, event);
    }
    std::uint64_t discarded(const spate::Subscriber& subscriber) override { return kept_.discarded(subscriber); }
    bool at_hand(const spate::Subscriber&, std::uint64_t, std::size_t, const Waiter& waiter) override {
      const std::lock_guard lock(mutex_);
      ready_.push_back(waiter.when_ready());
      asked = true;
      return false;
    }
    std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                        std::vector<StoredEvent>& events) override {
      return kept_.fetch(user, after, max_bytes, events);
    }
    std::atomic<bool> asked{false};

   private:
    // Answers when it is to end, and forgets those who waited only then.
    void read() {
      while (!stop_) std::this_thread::yield();
      const std::lock_guard lock(mutex_);
      for (const auto& ready : ready_) ready();
      ready_.clear();
    }
    MemoryReplayStore kept_;
    std::atomic<std::thread::id>& ended_by_;
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::vector<std::function<void()>> ready_;
    std::thread reading_{[this] { read(); }};
  };
  std::atomic<std::thread::id> ended_by{};
  {
    const auto store = std::make_shared<ThreadStore>(ended_by);
    EmitterOptions options;
    options.replay = store;
    EmitterServer hub(std::move(options));
    hub.emitter.send("anna", Event("x"));
    EventClient anna = hub.open("/anna", "earliest");
    CHECK(eventually([&] { return store->asked.load(); }));
  }
  CHECK(ended_by.load() == std::this_thread::get_id());
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

TEST_CASE("what is sent while the newest are looked for is heard, also when there are none",
          "[loopback][registry][slow][newest]") {
  SlowHub slow;
  EventClient anna = slow.hub.open("/anna?last=5");
  CHECK(eventually([&] { return slow.store->waiting() > 0; }));
  CHECK(slow.hub.emitter.send("anna", Event("meanwhile")).streams == 1);
  slow.answer_until([&] {
    CHECK(anna.next().data == "meanwhile");
    slow.hub.emitter.send("anna", Event("after it"));
    CHECK(anna.next().data == "after it");
  });
}
