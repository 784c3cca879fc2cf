// What a stream that resumes costs the others: where it begins is found in steps, with the emitter's lock free between.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

#include <spate/history/memory_replay_store.hpp>
#include <spate/registry/bus.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/emitter_server.hpp"
#include "support/serving.hpp"

using namespace spate::test;
using spate::Audience;
using spate::EncodedEvent;
using spate::Event;
using spate::MemoryReplayStore;
using spate::ReplayLimits;
using spate::StoredEvent;

namespace {

/// A store in memory that counts what is read from it, and loses what it is told to.
class CountingStore final : public spate::ReplayStore {
 public:
  explicit CountingStore(ReplayLimits limits) : kept_(limits) {}

  std::string_view epoch() const override { return kept_.epoch(); }
  std::uint64_t newest() const override { return kept_.newest(); }
  void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override {
    kept_.append(sequence, audience, event);
  }
  std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                      std::vector<StoredEvent>& events) override {
    const std::size_t before = events.size();
    const std::uint64_t gone = lost;
    const std::uint64_t discarded = std::max(gone, kept_.fetch(user, std::max(gone, after), max_bytes, events));
    const std::size_t count = events.size() - before;
    read += count;
    if (count > max_read) max_read = count;
    const std::function<void(std::size_t)> told = [&] {
      const std::lock_guard lock(told_mutex_);
      return on_fetch_;
    }();
    if (told) told(count);
    return discarded;
  }

  std::atomic<std::size_t> read{0};      // events
  std::atomic<std::size_t> max_read{0};  // at a time
  std::atomic<std::uint64_t> lost{0};    // what is up to here is no more
  /// From now on `told` hears of every read; the loop may be in the middle of one.
  void tell_fetches(std::function<void(std::size_t)> told) {
    const std::lock_guard lock(told_mutex_);
    on_fetch_ = std::move(told);
  }

 private:
  std::mutex told_mutex_;
  std::function<void(std::size_t)> on_fetch_;
  MemoryReplayStore kept_;
};

/// An emitter whose store counts, with so many events named "note".
struct Counted {
  explicit Counted(std::size_t events, std::size_t kept = 0) : hub(with_store_of(events, kept)) {
    for (std::size_t i = 1; i <= events; ++i) hub.emitter.send("anna", Event(std::to_string(i)).name("note"));
    store = static_cast<CountingStore*>(hub.store.get());
  }

  static spate::EmitterOptions with_store_of(std::size_t events, std::size_t kept) {
    spate::EmitterOptions options;
    ReplayLimits limits;
    limits.max_events = kept > 0 ? kept : events;
    options.replay = std::make_shared<CountingStore>(limits);
    return options;
  }

  EmitterServer hub;
  CountingStore* store = nullptr;
};

/// A bus whose log comes as far as the test says.
class LogInPieces final : public spate::Bus {
 public:
  bool keeps_log() const noexcept override { return true; }
  std::error_code publish(const Audience&, const Event&, Published) override { return {}; }
  void attach(std::shared_ptr<spate::BusListener> listener) override { to = std::move(listener); }
  void detach() override { to = nullptr; }
  void changed(std::string_view, std::size_t) override {}
  void ask_newest(Published) override {}
  void ask_users(std::function<void(std::error_code, std::vector<spate::UserStreams>)>) override {}
  void ask_counts(std::function<void(std::error_code, spate::UserCounts)>) override {}
  spate::BusStatus status() const override { return {}; }

  std::shared_ptr<spate::BusListener> to;
};

}  // namespace

TEST_CASE("where nothing is missing a stream is added without its history being read", "[registry][resume][cost]") {
  const std::string filter = GENERATE("", "&event=note", "&event=nothing");
  Counted counted(500);
  EmitterServer& hub = counted.hub;
  EventClient anna = hub.open("/anna?greet=1" + filter, hub.id(1));
  CHECK(anna.next().data == "resumed");
  if (filter == "&event=nothing") return;
  CHECK(anna.next().data == "2");
  anna.next_data(498);
  // And what is drawn is read once.
  CHECK(counted.store->read == 499);
  // Within one turn of the loop nothing is drawn: what is read then, `add` reads.
  hub.in_one_turn([&] {
    const spate::EventStream stream = hub.stream(0);
    hub.emitter.remove("anna", stream);
    spate::SubscribeOptions wanted;
    if (!filter.empty()) wanted.events = {"note"};
    hub.emitter.add("anna", stream, wanted);
    CHECK(counted.store->read == 499);
  });
}

TEST_CASE("the history of one that asks for all is read once, but for its first event", "[registry][resume][cost]") {
  Counted counted(500);
  EventClient anna = counted.hub.open("/anna?greet=1", "earliest");
  CHECK(anna.next().data == "resumed");
  anna.next_data(500);
  CHECK(counted.store->read == 501);
}

TEST_CASE("a filter that matches nothing is found out in small steps, between which others have their turn",
          "[registry][resume][cost]") {
  constexpr std::size_t events = 100'000;
  Counted counted(events);
  EmitterServer& hub = counted.hub;
  const std::string cursor = GENERATE("earliest", "unknown", "known");
  CAPTURE(cursor);
  // Somebody who wants the emitter's lock all the time.
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> turns{0}, first{0}, last{0};
  counted.store->tell_fetches([&](std::size_t count) {
    if (count == 0) return;
    if (first == 0) first = turns + 1;
    last = turns + 1;
  });
  std::thread other([&] {
    while (!stop) {
      hub.emitter.stream_count();
      ++turns;
    }
  });
  EventClient anna = hub.open("/anna?greet=1&event=nothing", cursor == "known" ? hub.id(1) : cursor);
  CHECK(anna.next().data == (cursor == "unknown" ? "fresh" : "resumed"));
  CHECK(eventually([&] { return counted.store->read >= events - 1; }));
  hub.emitter.send("anna", Event("at last").name("nothing"));
  if (cursor == "unknown") CHECK(anna.next().name == "gap");
  CHECK(anna.next().data == "at last");
  CHECK(counted.store->read <= events + 1);
  CHECK(counted.store->max_read < 400);
  // On a busy machine the other one may not have the processor meanwhile: then it is tried again.
  for (int again = 0; again < 100 && last <= first; ++again) {
    first = 0;
    const std::size_t before = counted.store->read;
    EventClient once_more = hub.open("/anna?event=nothing", cursor == "known" ? hub.id(1) : cursor);
    CHECK(eventually([&] { return counted.store->read >= before + events - 1; }));
  }
  stop = true;
  other.join();
  CHECK(last > first);
  counted.store->tell_fetches(nullptr);
}

TEST_CASE("a filter that matches nothing leaves the loop to others", "[registry][resume][cost]") {
  constexpr std::size_t events = 50'000;
  Counted counted(events);
  EmitterServer& hub = counted.hub;
  EventClient bert = hub.open("/bert");
  const asio::any_io_executor loop = hub.stream(0).get_executor();
  const std::string cursor = GENERATE("unknown", "known");  // it is looked for where to begin; or what to draw
  const std::string transport = GENERATE("", "&transport=poll&timeout=0");
  CAPTURE(cursor, transport);
  // Somebody who wants a turn of the loop all the time.
  std::atomic<bool> stop{false}, stopped{false};
  std::size_t fetches = 0, most = 0;  // between two turns
  std::function<void()> turn = [&] {
    most = std::max(most, std::exchange(fetches, 0));
    if (stop) {
      stopped = true;
    } else {
      asio::post(loop, turn);
    }
  };
  counted.store->tell_fetches([&](std::size_t count) { fetches += count > 0 ? 1U : 0U; });
  asio::post(loop, turn);
  const std::string target = "/anna?event=nothing" + transport, id = cursor == "known" ? hub.id(1) : cursor;
  if (transport.empty()) {
    EventClient anna = hub.open(target, id);
    CHECK(eventually([&] { return counted.store->read >= events - 1; }));
    hub.emitter.send("anna", Event("at last").name("nothing"));
    if (cursor == "unknown") CHECK(anna.next().name == "gap");
    CHECK(anna.next().data == "at last");
  } else {
    // A poll that does not wait is not answered before it is known what there is for it.
    hub.emitter.send("anna", Event("at last").name("nothing"));
    Client anna(hub.port());
    anna.get(target + "&lastEventId=" + id);
    CHECK(anna.read_reply().body.find("at last") != std::string::npos);
  }
  stop = true;
  CHECK(eventually([&] { return stopped.load(); }));
  CHECK(most > 0);
  CHECK(most <= 72);  // of some 500
  // All of it once; "at last" by the search that it ends, for the gap that names it, and as it is drawn.
  CHECK(counted.store->read <= events + 3);
  counted.store->tell_fetches(nullptr);
}

TEST_CASE("what comes while the beginning is looked for is neither lost nor comes twice", "[registry][resume][race]") {
  Counted counted(20'000);
  EmitterServer& hub = counted.hub;
  std::atomic<bool> stop{false};
  std::uint64_t sent = 0;
  std::thread publisher([&] {
    while (!stop) hub.emitter.send("anna", Event(std::to_string(sent++)).name("wanted"));
  });
  for (int round = 0; round < 5; ++round) {
    EventClient anna = hub.open("/anna?greet=1&event=wanted", "earliest");
    CHECK(anna.next().data == "resumed");
    std::uint64_t next = std::stoull(anna.next().data);
    for (int i = 0; i < 300; ++i) REQUIRE(std::stoull(anna.next().data) == ++next);
  }
  stop = true;
  publisher.join();
}

TEST_CASE("a gap names the first event that passes the filter, however far it is", "[registry][gap][filter]") {
  EmitterServer hub(with_store(ReplayLimits{.max_events = 5'000}));
  for (int i = 1; i <= 6'000; ++i)
    hub.emitter.send("anna", Event(std::to_string(i)).name(i == 5'990 ? "note" : "other"));
  const std::string cursor = GENERATE("trimmed", "unknown");
  const std::string requested = cursor == "trimmed" ? hub.id(1) : cursor;
  EventClient anna = hub.open("/anna?greet=1&event=note", requested),
              bert = hub.open("/anna?greet=1&event=x", requested),
              earliest = hub.open("/anna?greet=1&event=note", "earliest");
  const auto gap = [&](const std::string& oldest) {
    return "{\"requested\":\"" + requested + "\",\"oldest\":" + oldest + ",\"reason\":\"" + cursor + "\"}";
  };
  CHECK(anna.next().id == hub.id(5'989));
  const auto told = anna.next();
  CHECK(told.data == gap("\"" + hub.id(5'990) + "\""));
  CHECK(told.id == hub.id(5'989));
  CHECK(anna.next().data == "5990");
  CHECK(bert.next().id == hub.id(6'000));
  CHECK(bert.next().data == gap("null"));
  const auto greeting = earliest.next();
  CHECK(greeting.data == "resumed");
  CHECK(greeting.id == hub.id(5'989));
  CHECK(earliest.next().data == "5990");
}

TEST_CASE("a gap in the middle of a filtered replay is told once, with the first event that follows",
          "[registry][gap][filter]") {
  Counted counted(3'000);
  EmitterServer& hub = counted.hub;
  hub.emitter.send("anna", Event("the one").name("wanted"));
  // When the first piece has been drawn the store loses the next ones.
  std::atomic<bool> drawn{false};
  counted.store->tell_fetches([&](std::size_t count) {
    if (count > 0 && !drawn.exchange(true)) counted.store->lost = 1'500;
  });
  EventClient anna = hub.open("/anna?greet=1&event=wanted", hub.id(1));
  CHECK(anna.next().data == "resumed");
  const auto gap = anna.next();
  CHECK(gap.name == "gap");
  CHECK(gap.data.find("\"oldest\":\"" + hub.id(3'001) + "\",\"reason\":\"trimmed\"") != std::string::npos);
  CHECK(gap.last_event_id == hub.id(3'000));
  CHECK(anna.next().data == "the one");
  hub.emitter.send("anna", Event("live").name("wanted"));
  CHECK(anna.next().data == "live");
  CHECK(hub.server.stats().gaps == 1);
  counted.store->tell_fetches(nullptr);
}

TEST_CASE("what is sent to somebody who has been taken out while their beginning is looked for is not theirs",
          "[registry][resume][filter]") {
  Counted counted(20'000);
  EmitterServer& hub = counted.hub;
  EventClient anna = hub.open("/anna");
  hub.in_one_turn([&] {
    const spate::EventStream stream = hub.stream(0);
    hub.emitter.remove("anna", stream);
    spate::SubscribeOptions wanted;
    wanted.events = {"rare"};
    wanted.after = "unknown";
    hub.emitter.send("anna", Event("before").name("rare"));
    hub.emitter.add("anna", stream, wanted);
    hub.emitter.remove("anna");
    CHECK(hub.emitter.send("anna", Event("afterwards").name("rare")).streams == 0);
  });
  CHECK(anna.next().name == "gap");
  CHECK(anna.rest() == std::vector<std::string>{"before"});
  CHECK(anna.completed());
}

TEST_CASE("a poll whose credential has run out does not wait for what is looked for", "[registry][resume][poll]") {
  constexpr std::size_t events = 100'000;
  Counted counted(events);
  Serving serving([&](spate::Server& server) {
    server.stream("/poll", [&](const spate::EventStream& stream) {
      stream.expire_at(std::chrono::system_clock::now());
      spate::SubscribeOptions wanted;
      wanted.events = {"rare"};
      counted.hub.emitter.add("anna", stream, wanted);
    });
  });
  Client anna(serving.port());
  anna.get("/poll?transport=poll&timeout=30000&lastEventId=unknown");
  CHECK(anna.read_reply().status == 200);
  CHECK(counted.store->read < events);
}

TEST_CASE("nobody waits longer than they may for a log that stops halfway, with a filter or without",
          "[registry][resume][bus]") {
  const auto bus = std::make_shared<LogInPieces>();
  spate::EmitterOptions options;
  options.bus = bus;
  options.resume_wait = std::chrono::milliseconds(50);
  EmitterServer hub(std::move(options));
  bus->to->restarted("log");
  for (std::uint64_t i = 1; i <= 5'000; ++i) bus->to->appended(i, Audience::everybody(), Event("x").name("other"));
  for (const char* target : {"/anna?greet=1", "/anna?greet=1&event=rare"}) {
    EventClient anna = hub.open(target, "unknown");
    CHECK(anna.next().data == "fresh");
    CHECK(anna.next().name == "gap");
  }
  Client poll(hub.port());
  poll.get("/anna?transport=poll&timeout=1&event=rare&lastEventId=unknown");
  CHECK(poll.read_reply().status == 200);
  // One that searches when the log begins anew waits again, as long as it may.
  EventClient anna = hub.open("/anna?greet=1&event=rare", "unknown");
  bus->to->restarted("another");
  CHECK(anna.next().data == "fresh");
}
