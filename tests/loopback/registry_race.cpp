// Nothing is lost and nothing comes twice, under load: publishers, joins, drops and resumes race, and every client
// checks its own sequence.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/emitter_server.hpp"

using namespace spate::test;
using spate::Audience;
using spate::Event;

namespace {

/// How long it goes on: by default no longer than every run of the tests can afford.
std::chrono::milliseconds duration() {
  const char* seconds = std::getenv("SPATE_RACE_SECONDS");
  return std::chrono::milliseconds(seconds == nullptr ? 1'500 : std::atoi(seconds) * 1'000);
}

/// One event as its publisher knows it.
struct Sent {
  std::uint64_t sequence;
  Audience::Kind kind;
  std::vector<std::string> names;  // of the user, the group or the users
  bool note;

  bool is_for(const std::string& user) const {
    switch (kind) {
      case Audience::Kind::everybody: return true;
      case Audience::Kind::group: return user.starts_with(names[0]);
      default: return std::find(names.begin(), names.end(), user) != names.end();
    }
  }
};

std::uint64_t sequence_of(const std::string& id) {
  return std::stoull(id.substr(id.find('-') + 1));
}

class Publisher {
 public:
  Publisher(spate::Emitter& emitter, const std::vector<std::string>& users, unsigned seed)
      : emitter_(emitter), users_(users), random_(seed) {}

  void publish() {
    const bool note = random_() % 3 == 0;
    Event event(std::string(random_() % (random_() % 50 == 0 ? 100'000 : 200), 'x'));
    if (note) event.name("note");
    switch (random_() % 4) {
      case 0: return note_down(Audience::everybody(), {}, event, note);
      case 1: {
        const std::string group = user().substr(0, 1 + random_() % 4);
        return note_down(Audience::group(group), {group}, event, note);
      }
      case 2: {
        const std::vector<std::string> several{user(), user(), "nobody"};
        return note_down(Audience::users(several), several, event, note);
      }
      default: {
        const std::string one = user();
        return note_down(Audience::user(one), {one}, event, note);
      }
    }
  }

  const std::vector<Sent>& sent() const { return sent_; }
  /// Whether it was kept waiting for ever.
  bool late() const { return late_; }

 private:
  const std::string& user() { return users_[random_() % users_.size()]; }

  void note_down(const Audience& audience, std::vector<std::string> names, const Event& event, bool note) {
    // Most sends are awaited, so that the loops are kept busy and never drowned.
    if (random_() % 8 == 0) {
      const auto report = emitter_.send(audience, event);
      sent_.push_back({sequence_of(report.id), audience.kind(), std::move(names), note});
      return;
    }
    const Sending sending(emitter_, audience, event);
    if (!sending.wait()) late_ = true;
    if (!late_) sent_.push_back({sequence_of(sending.report().id), audience.kind(), std::move(names), note});
  }

  spate::Emitter& emitter_;
  const std::vector<std::string>& users_;
  std::minstd_rand random_;
  std::vector<Sent> sent_;
  bool late_ = false;
};

/// A client that comes and goes until it has seen the last event.
class Wanderer {
 public:
  Wanderer(const EmitterServer& hub, std::string user, unsigned number)
      : hub_(hub), user_(std::move(user)), number_(number), random_(number + 1) {}

  /// From here on it must miss nothing.
  void begin() {
    EventClient client = open();
    const auto greeting = client.next();
    if (greeting.data != "fresh") complain("began as " + greeting.data);
    cursor_ = greeting.last_event_id;
  }

  void wander() {
    try {
      while (!over_ && complaint_.empty()) visit();
    } catch (const Failure& failure) {
      complain(failure.what());
    }
  }

  const std::string& user() const { return user_; }
  bool filters() const { return number_ % 4 == 1; }
  const std::vector<std::uint64_t>& received() const { return received_; }
  const std::string& complaint() const { return complaint_; }
  int visits() const { return visits_; }

 private:
  EventClient open() {
    const std::string target = "/" + user_ + "?greet=1" + (filters() ? "&event=note&event=last" : "");
    return hub_.open(target, cursor_, number_ % 4 == 2 ? "HTTP/1.0" : "HTTP/1.1",
                     number_ % 4 == 3 ? Serving::small_buffer : 0);
  }

  // Reads some events, or all there will be when nothing interrupts it, and leaves.
  void visit() {
    ++visits_;
    EventClient client = open();
    const std::uint32_t most = random_() % 3 == 0 ? random_() % 4 : random_() % 400;
    try {
      const auto greeting = client.next();
      if (greeting.data != "resumed" || greeting.last_event_id != cursor_) {
        return complain("resumed after " + cursor_ + ", told " + greeting.data + " at " + greeting.last_event_id);
      }
      for (std::uint32_t i = 0; i < most && !over_; ++i) take(client.next());
    } catch (const Failure&) {
      // Closed by the registry, or cut because it was too slow: it comes back like after every other drop.
      if (!client.completed() && client.connection().how_ended() == End::open) throw;
    }
    if (random_() % 2 == 0) client.connection().reset();
  }

  void take(const spate::DecodedEvent& event) {
    over_ = event.name == "last";
    if (over_) return;
    if (event.name != "note" && event.name != "message") return complain("got " + event.name + ": " + event.data);
    if (!event.id) return complain("got an event without an id");
    cursor_ = *event.id;
    received_.push_back(sequence_of(*event.id));
  }

  void complain(const std::string& what) {
    if (complaint_.empty()) complaint_ = user_ + ": " + what;
  }

  const EmitterServer& hub_;
  const std::string user_;
  const unsigned number_;
  std::minstd_rand random_;
  std::string cursor_;
  std::vector<std::uint64_t> received_;
  std::string complaint_;
  int visits_ = 0;
  bool over_ = false;
};

}  // namespace

TEST_CASE("nothing is lost and nothing comes twice while publishers, joins and drops race", "[registry][race]") {
  spate::ReplayLimits limits;
  limits.max_events = 10'000'000;
  limits.max_bytes = std::size_t{4} << 30;
  spate::StreamOptions streams;
  streams.max_queued_bytes = 16 * 1024;
  EmitterServer hub(with_store(limits), streams, 2, Serving::small_buffer);

  const std::vector<std::string> users{"a", "ab", "abc", "abcd", "b", "ba", "c"};
  std::vector<std::unique_ptr<Wanderer>> wanderers;
  for (unsigned i = 0; i < 10; ++i) {
    wanderers.push_back(std::make_unique<Wanderer>(hub, users[i % users.size()], i));
    wanderers.back()->begin();
  }

  std::atomic<bool> stop{false};
  std::vector<std::unique_ptr<Publisher>> publishers;
  std::vector<std::thread> publishing, wandering;
  for (unsigned i = 0; i < 3; ++i) {
    publishers.push_back(std::make_unique<Publisher>(hub.emitter, users, 100 + i));
    publishing.emplace_back([&stop, publisher = publishers.back().get()] {
      while (!stop && !publisher->late()) publisher->publish();
    });
  }
  for (const auto& wanderer : wanderers) {
    wandering.emplace_back([each = wanderer.get()] { each->wander(); });
  }
  // Meanwhile somebody closes users' streams and asks who is there.
  const auto until = std::chrono::steady_clock::now() + duration();
  for (std::size_t i = 0; std::chrono::steady_clock::now() < until; ++i) {
    hub.emitter.remove(users[i % users.size()]);
    for (const std::string& user : hub.emitter.users("a")) REQUIRE(user.front() == 'a');
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stop = true;
  for (std::thread& thread : publishing) thread.join();
  hub.emitter.broadcast(Event("the end").name("last"));
  for (std::thread& thread : wandering) thread.join();

  std::vector<Sent> all;
  for (const auto& publisher : publishers) CHECK_FALSE(publisher->late());
  for (const auto& publisher : publishers) all.insert(all.end(), publisher->sent().begin(), publisher->sent().end());
  std::sort(all.begin(), all.end(), [](const Sent& a, const Sent& b) { return a.sequence < b.sequence; });
  int visits = 0;
  for (const auto& wanderer : wanderers) {
    CHECK(wanderer->complaint() == "");
    std::vector<std::uint64_t> expected;
    for (const Sent& sent : all) {
      if (sent.is_for(wanderer->user()) && (!wanderer->filters() || sent.note)) expected.push_back(sent.sequence);
    }
    const auto& received = wanderer->received();
    CHECK(std::is_sorted(received.begin(), received.end()));
    if (received != expected) {
      const auto [lost, got] = std::mismatch(expected.begin(), expected.end(), received.begin(), received.end());
      CAPTURE(wanderer->user(), expected.size(), received.size());
      CHECK((lost == expected.end() ? 0 : *lost) == (got == received.end() ? 0 : *got));
      CHECK(received.size() == expected.size());
    }
    visits += wanderer->visits();
  }
  const auto stats = hub.server.stats();
  if (std::getenv("SPATE_RACE_SECONDS") != nullptr) {
    WARN(all.size() << " events, " << visits << " visits, " << stats.deliveries << " deliveries, "
                    << stats.replayed_events << " replayed, "
                    << stats.streams_ended[static_cast<std::size_t>(spate::EndReason::overflow)] << " overflows");
  }
  CHECK(stats.gaps == 0);
  CHECK(visits > 20);
  CHECK(stats.replayed_events > 0);
  CHECK(hub.comes_to(0));
  CHECK(hub.emitter.user_count() == 0);
}
