// The store on SQLite: what it keeps, what it says is missing, and what of it outlives the process.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <sqlite3.h>

#include <spate/history/sqlite/detail/history_reader.hpp>
#include <spate/history/sqlite/detail/history_writer.hpp>
#include <spate/history/sqlite/detail/schema.hpp>
#include <spate/history/sqlite_replay_store.hpp>
#include "support/catch.hpp"
#include "support/store_user.hpp"
#include "support/temporary_folder.hpp"

using namespace std::chrono_literals;
using spate::Audience;
using spate::EncodedEvent;
using spate::Event;
using spate::JoinedTopic;
using spate::ReplayLimits;
using spate::SqliteFileError;
using spate::SqliteOptions;
using spate::SqliteReplayStore;
using spate::Subscriber;
using spate::test::StoreUser;
using spate::test::TemporaryFolder;
using Sync = spate::SqliteOptions::Sync;
using Numbers = std::vector<std::uint64_t>;

namespace {

SqliteOptions options_in(const TemporaryFolder& folder, Sync sync = Sync::normal) {
  SqliteOptions options;
  options.file = (folder.path() / "history.db").string();
  options.sync = sync;
  options.limits.max_events = 1'000'000;
  return options;
}

/// A store, and an emitter's part of it.
struct Open {
  explicit Open(const SqliteOptions& options) : store(options), user(store) {}

  SqliteReplayStore store;
  StoreUser user;
};

std::string message_of(const SqliteOptions& options) {
  try {
    const SqliteReplayStore store(options);
  } catch (const SqliteFileError& error) {
    return error.what();
  }
  return {};
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("what was kept is there in the next process, under the same epoch", "[history][sqlite]") {
  const Sync sync = GENERATE(Sync::full, Sync::normal, Sync::deliver_first);
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, sync);
  std::string epoch;
  {
    Open open(options);
    epoch = open.store.epoch();
    CHECK(open.user.send(Audience::user("alice"), Event("one")) == 1);
    CHECK(open.user.send(Audience::group("al"), Event("two")) == 2);
    CHECK(open.user.send(Audience::everybody(), Event("three")) == 3);
    CHECK(open.user.send(Audience::user("bob"), Event("four")) == 4);
    open.user.settle_all();
    CHECK(open.store.newest() == 4);
    CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{1, 2, 3});
  }
  Open open(options);
  CHECK(open.store.epoch() == epoch);
  CHECK(open.store.newest() == 4);
  const StoreUser::Got got = open.user.fetch(Subscriber("alice"), 0);
  CHECK(got.sequences() == Numbers{1, 2, 3});
  CHECK(got.discarded == 0);
  CHECK(got.events[1].event.bytes() == "id: 2\ndata: two\n\n");
  CHECK(open.user.fetch(Subscriber("bob"), 3).sequences() == Numbers{4});
  CHECK(open.user.fetch(Subscriber("carol"), 0).sequences() == Numbers{3});
  CHECK(open.user.send(Audience::user("alice"), Event("five")) == 5);
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("alice"), 3).sequences() == Numbers{5});
}

TEST_CASE("an event is not seen before the emitter has been told that it is kept", "[history][sqlite]") {
  const TemporaryFolder folder;
  Open open(options_in(folder));
  open.user.send(Audience::everybody(), Event("one"));
  open.user.settle_all();
  open.user.send(Audience::everybody(), Event("two"));
  // It is in the file, as far as the store's own status goes, and settled it is not.
  CHECK(spate::test::eventually([&] { return open.store.status().stored == 2; }));
  CHECK(open.store.newest() == 1);
  CHECK(open.store.newest_given() == 2);
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{1});
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{1, 2});
}

TEST_CASE("with deliver_first an event is seen at once", "[history][sqlite]") {
  const TemporaryFolder folder;
  Open open(options_in(folder, Sync::deliver_first));
  for (std::uint64_t sequence = 1; sequence <= 1000; ++sequence) {
    CHECK(open.store.delivers_first());
    open.user.send(Audience::everybody(), Event("text"));
    CHECK(open.store.newest() == sequence);
  }
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences().size() == 1000);
}

TEST_CASE("a topic's events are for those who joined it, from then on, and come once", "[history][sqlite]") {
  const TemporaryFolder folder;
  Open open(options_in(folder));
  const std::vector<std::string> both{"a", "b"};
  open.user.send(Audience::topic("a"), Event("1"));
  open.user.send(Audience::topics(both), Event("2"));
  open.user.send(Audience::user("alice"), Event("3"));
  open.user.send(Audience::topic("b"), Event("4"));
  open.user.send(Audience::topic("c"), Event("5"));
  open.user.settle_all();
  const std::vector<JoinedTopic> all{{"a", 0}, {"b", 0}}, late{{"a", 1}, {"b", 2}};
  CHECK(open.user.fetch(Subscriber("alice", all), 0).sequences() == Numbers{1, 2, 3, 4});
  CHECK(open.user.fetch(Subscriber("alice", late), 0).sequences() == Numbers{2, 3, 4});
  CHECK(open.user.fetch(Subscriber("", all), 0).sequences() == Numbers{1, 2, 4});
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{3});
  CHECK(open.user.fetch_newest(Subscriber("alice", all), 5, 3) == Numbers{4, 3, 2});
  CHECK(open.user.fetch_newest(Subscriber("alice", late), 3, 9) == Numbers{3, 2});
}

TEST_CASE("the newest are read from the end, whatever lies before them", "[history][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder);
  {
    Open open(options);
    for (int i = 1; i <= 3000; ++i)
      open.user.send(i % 3 == 0 ? Audience::user("alice") : Audience::everybody(), Event(std::string(200, 'x')));
    open.user.settle_all();
  }
  Open open(options);
  Numbers expected;
  for (std::uint64_t sequence = 3000; sequence > 0; --sequence) expected.push_back(sequence);
  const Numbers ten(expected.begin(), expected.begin() + 10);
  CHECK(open.user.fetch_newest(Subscriber("alice"), 3000, 10) == ten);
  CHECK(open.user.fetch_newest(Subscriber("alice"), 3000, 9999) == expected);
  std::reverse(expected.begin(), expected.end());
  CHECK(open.user.fetch(Subscriber("alice"), 0, 500).sequences() == expected);
}

TEST_CASE("who chases a fast writer comes to an end, and misses nothing", "[history][sqlite]") {
  const Sync sync = GENERATE(Sync::normal, Sync::deliver_first);
  const TemporaryFolder folder;
  Open open(options_in(folder, sync));
  constexpr std::uint64_t count = 10'000;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < count; ++i) {
      open.user.send(i % 2 == 0 ? Audience::everybody() : Audience::user("alice"), Event(std::string(100, 'x')));
      if (i % 16 == 0) open.user.settle_all();
    }
    open.user.settle_all();
  });
  std::uint64_t after = 0;
  while (after < count) {
    std::vector<spate::StoredEvent> batch;
    if (open.user.fetch_once(Subscriber("alice"), after, 4000, batch) != 0) FAIL("a gap after " << after);
    if (batch.empty()) std::this_thread::yield();
    for (const spate::StoredEvent& each : batch) {
      if (each.sequence != after + 1) FAIL("after " << after << " came " << each.sequence);
      after = each.sequence;
    }
  }
  writer.join();
}

TEST_CASE("what a reader does not get while others are trimmed, it is told", "[history][sqlite]") {
  const Sync sync = GENERATE(Sync::normal, Sync::deliver_first);
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder, sync);
  options.limits.max_events_per_audience = 40;
  options.max_cache_bytes = 0;
  Open open(options);
  constexpr int users = 8;
  constexpr std::uint64_t count = 6000;
  std::vector<Numbers> sent(users);
  std::thread writer([&] {
    std::minstd_rand random(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::size_t to = random() % users;
      sent[to].push_back(open.user.send(Audience::user("u" + std::to_string(to)), Event(std::string(3000, 'x'))));
      if (i % (sync == Sync::normal ? 8 : 64) == 0) open.user.settle_all();
    }
    open.user.settle_all();
  });
  struct Reader {
    std::uint64_t after = 0, told = 0;
    std::set<std::uint64_t> got;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps;  // after this one, up to that one
  };
  std::vector<Reader> readers(users);
  const auto draw = [&](std::size_t i) {
    Reader& reader = readers[i];
    std::vector<spate::StoredEvent> batch;
    const std::uint64_t discarded =
        open.user.fetch_once(Subscriber("u" + std::to_string(i)), reader.after, 10'000, batch);
    if (discarded > std::max(reader.after, reader.told)) {
      reader.gaps.emplace_back(reader.after, discarded);
      reader.told = discarded;
    }
    for (const spate::StoredEvent& each : batch) {
      if (each.sequence <= reader.after) FAIL("out of order: " << each.sequence);
      reader.after = each.sequence;
      reader.got.insert(each.sequence);
    }
    return !batch.empty();
  };
  std::minstd_rand random(4);
  while (open.user.newest() < count) draw(random() % users);
  writer.join();
  std::size_t missed = 0;
  for (std::size_t i = 0; i < users; ++i) {
    while (draw(i)) continue;
    for (const std::uint64_t each : sent[i]) {
      if (readers[i].got.count(each) == 1) continue;
      ++missed;
      const auto& gaps = readers[i].gaps;
      const bool told = std::any_of(gaps.begin(), gaps.end(),
                                    [&](const auto& gap) { return gap.first < each && each <= gap.second; });
      if (!told) FAIL("nobody told u" << i << " of " << each);
    }
    // Nothing that is kept is missing.
    CHECK(open.user.fetch(Subscriber("u" + std::to_string(i)), 0).sequences() ==
          Numbers(sent[i].end() - 40, sent[i].end()));
  }
  CHECK(missed < count);
}

TEST_CASE("a cache that is too small for what is read is read again", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.max_cache_bytes = 0;  // which is a mebibyte
  Open open(options);
  constexpr int users = 40;
  for (int i = 0; i < users * 100; ++i)
    open.user.send(Audience::user("u" + std::to_string(i % users)), Event(std::string(1000, 'x')));
  open.user.settle_all();
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < users; ++i) {
      CHECK(open.user.fetch(Subscriber("u" + std::to_string(i)), 0, 10'000).events.size() == 100);
      CHECK(open.store.status().cached_bytes < 1'500'000);
    }
  }
  CHECK(open.user.waits() > users);
}

TEST_CASE("many who come back at once are all answered, though their tracks find no room together",
          "[history][sqlite]") {
  const bool same_track = GENERATE(false, true);
  CAPTURE(same_track);
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.max_cache_bytes = 0;  // which is a mebibyte
  const std::size_t users = same_track ? 1000 : 5000;
  {
    Open open(options);
    for (std::size_t i = 0; i < users; ++i) {
      const std::string user = "u" + std::to_string(i);
      open.user.send(same_track ? Audience::everybody() : Audience::user(user),
                     Event(std::string(same_track ? 2000 : 100, 'x')));
    }
    open.user.settle_all();
  }
  SqliteReplayStore store(options);
  // Whoever is told asks again, each in their turn.
  struct Told final : spate::ReplayStore::Waiter {
    std::function<void()> when_ready() const override {
      return [this, who = who] {
        const std::lock_guard lock(mutex);
        all.push_back(who);
      };
    }
    std::size_t who = 0;
    mutable std::mutex mutex;
    mutable std::deque<std::size_t> all;
  };
  Told told;
  std::size_t asked = 0, answered = 0;
  const auto ask = [&](std::size_t user) {
    ++asked;
    told.who = user;
    const std::uint64_t after = same_track ? user * 7 % users : 0;
    if (!store.at_hand(Subscriber("u" + std::to_string(user)), after, 1000, told)) return;
    ++answered;
    std::vector<spate::StoredEvent> events;
    if (store.fetch("u" + std::to_string(user), after, 1000, events) != 0) FAIL("a gap");
    if (events.empty() || events.front().sequence != (same_track ? after + 1 : user + 1)) FAIL("not what comes next");
  };
  for (std::size_t i = 0; i < users; ++i) ask(i);
  CHECK(spate::test::eventually([&] {
    for (;;) {
      std::size_t next = 0;
      {
        const std::lock_guard lock(told.mutex);
        if (told.all.empty()) break;
        next = told.all.front();
        told.all.pop_front();
      }
      ask(next);
    }
    return answered == users || asked > 100 * users;
  }));
  CHECK(answered == users);
  // Some times each: more often where the reader gets no processor, never once for each of the others.
  if (!same_track) CHECK(asked < 20 * users);
}

// ---- limits ----

TEST_CASE("each audience keeps its newest", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.limits.max_events_per_audience = 3;
  {
    Open open(options);
    for (int i = 0; i < 10; ++i) {
      open.user.send(Audience::user("alice"), Event("text"));
      if (i < 2) open.user.send(Audience::user("bob"), Event("text"));
    }
    open.user.settle_all();
    CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{10, 11, 12});
    CHECK(open.user.fetch(Subscriber("alice"), 0).discarded == 9);
  }
  Open open(options);
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{10, 11, 12});
  CHECK(open.user.fetch(Subscriber("alice"), 0).discarded == 9);
  CHECK(open.user.discarded(Subscriber("alice")) == 9);
  CHECK(open.user.fetch(Subscriber("bob"), 0).sequences() == Numbers{2, 4});
  CHECK(open.user.fetch(Subscriber("bob"), 0).discarded == 0);
}

TEST_CASE("whoever holds most loses first", "[history][sqlite]") {
  const bool by_bytes = GENERATE(false, true);
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  if (by_bytes) {
    options.limits.max_bytes = 100'000;
  } else {
    options.limits.max_events = 100;
  }
  Open open(options);
  for (int i = 0; i < 20; ++i) open.user.send(Audience::user("quiet"), Event("text"));
  for (int i = 0; i < 1000; ++i) open.user.send(Audience::user("chatty"), Event(std::string(by_bytes ? 1000 : 1, 'x')));
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("quiet"), 0).events.size() == 20);
  CHECK(open.user.fetch(Subscriber("quiet"), 0).discarded == 0);
  const StoreUser::Got chatty = open.user.fetch(Subscriber("chatty"), 0, 50'000);
  REQUIRE(!chatty.events.empty());
  CHECK(chatty.discarded == chatty.events.front().sequence - 1);
  CHECK(chatty.events.back().sequence == 1020);
  if (by_bytes) {
    CHECK(chatty.events.size() > 80);
    CHECK(chatty.events.size() < 100);
  } else {
    CHECK(chatty.events.size() == 80);
  }
}

TEST_CASE("where nobody holds more than one the oldest goes", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.limits.max_events = 10;
  Open open(options);
  for (int i = 1; i <= 15; ++i) open.user.send(Audience::user("u" + std::to_string(i)), Event("text"));
  open.user.settle_all();
  for (std::uint64_t i = 1; i <= 15; ++i) {
    const StoreUser::Got got = open.user.fetch(Subscriber("u" + std::to_string(i)), 0);
    CHECK(got.events.size() == (i > 5 ? 1 : 0));
    CHECK(got.discarded == (i > 5 ? 0 : i));
  }
}

TEST_CASE("what is larger than everything is missed by its audience alone", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.limits.max_bytes = 10'000;
  Open open(options);
  open.user.send(Audience::user("alice"), Event("text"));
  open.user.send(Audience::user("alice"), Event(std::string(20'000, 'x')));
  open.user.send(Audience::user("bob"), Event("text"));
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{1});
  CHECK(open.user.fetch(Subscriber("alice"), 0).discarded == 2);
  CHECK(open.user.fetch(Subscriber("bob"), 0).sequences() == Numbers{3});
  CHECK(open.user.fetch(Subscriber("bob"), 0).discarded == 0);
}

TEST_CASE("a store that keeps none gives out ids, and tells of a gap", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.limits.max_events = 0;
  {
    Open open(options);
    open.user.send(Audience::user("alice"), Event("text"));
    CHECK(open.user.send(Audience::user("alice"), Event("text")) == 2);
    open.user.settle_all();
    const StoreUser::Got got = open.user.fetch(Subscriber("alice"), 0);
    CHECK(got.events.empty());
    CHECK(got.discarded == 2);
  }
  Open open(options);
  CHECK(open.store.newest() == 2);
  CHECK(open.user.fetch(Subscriber("alice"), 1).discarded == 2);
  CHECK(open.user.fetch(Subscriber("bob"), 1).discarded == 0);
}

TEST_CASE("what expires is no longer there, and no gap", "[history][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder);
  Open open(options);
  open.user.send(Audience::user("alice"), Event("short").keep_for(1ms));
  open.user.send(Audience::user("alice"), Event("long").keep_for(1h));
  open.user.settle_all();
  // Its row goes, too.
  CHECK(spate::test::eventually([&] { return open.store.status().kept == 1; }));
  const StoreUser::Got got = open.user.fetch(Subscriber("alice"), 0);
  CHECK(got.sequences() == Numbers{2});
  CHECK(got.discarded == 0);
}

TEST_CASE("what is kept for ever has no end", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.limits.max_age = std::chrono::milliseconds::max();
  Open open(options);
  open.user.send(Audience::user("alice"), Event("one"));
  open.user.send(Audience::user("alice"), Event("two").keep_for(Event::max_keep_for));
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{1, 2});
  CHECK(open.store.status().kept == 2);
}

TEST_CASE("what is too old is a gap", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  {
    Open open(options);
    open.user.send(Audience::user("alice"), Event("text"));
    open.user.send(Audience::user("alice"), Event("text"));
    open.user.settle_all();
  }
  options.limits.max_age = 1ms;
  Open open(options);
  CHECK(spate::test::eventually([&] { return open.store.status().kept == 0; }));
  const StoreUser::Got got = open.user.fetch(Subscriber("alice"), 0);
  CHECK(got.events.empty());
  CHECK(got.discarded == 2);
}

TEST_CASE("who is forgotten is told of a gap all the same", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  options.limits.max_events = 1;
  options.limits.max_remembered = 2;
  {
    Open open(options);
    for (int i = 1; i <= 20; ++i) open.user.send(Audience::user("u" + std::to_string(i)), Event("text"));
    open.user.settle_all();
  }
  Open open(options);
  for (std::uint64_t i = 1; i < 20; ++i) CHECK(open.user.fetch(Subscriber("u" + std::to_string(i)), 0).discarded >= i);
  CHECK(open.user.fetch(Subscriber("u20"), 0).sequences() == Numbers{20});
  CHECK(open.user.fetch(Subscriber("nobody"), 0).discarded == 0);
  // An audience that comes again still misses what it missed.
  open.user.send(Audience::user("u1"), Event("text"));
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("u1"), 0).discarded >= 1);
  CHECK(open.user.fetch(Subscriber("u1"), 1).sequences() == Numbers{21});
}

TEST_CASE("limits that are lowered hold after the next start, and the file becomes small", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  {
    Open open(options);
    for (int i = 0; i < 20'000; ++i)
      open.user.send(Audience::user("u" + std::to_string(i % 100)), Event(std::string(1000, 'x')));
    open.user.settle_all();
  }
  const auto before = std::filesystem::file_size(options.file);
  CHECK(before > 20'000'000);
  options.limits.max_events = 100;
  {
    Open open(options);
    CHECK(spate::test::eventually([&] { return open.store.status().kept == 100; }));
    CHECK(open.user.fetch(Subscriber("u7"), 0).sequences() == Numbers{19'908});
    // Closing it moves all into the file.
    CHECK(spate::test::eventually([&] {
      sqlite3* database = nullptr;
      sqlite3_open_v2(options.file.c_str(), &database, SQLITE_OPEN_READONLY, nullptr);
      sqlite3_stmt* pages = nullptr;
      sqlite3_prepare_v2(database, "PRAGMA page_count", -1, &pages, nullptr);
      sqlite3_step(pages);
      const auto count = sqlite3_column_int64(pages, 0);
      sqlite3_finalize(pages);
      sqlite3_close(database);
      return count < 1500;
    }));
  }
  CHECK(std::filesystem::file_size(options.file) < before / 3);
}

TEST_CASE("much that is over the limits goes a little at a time, and a large file is opened at once",
          "[history][sqlite]") {
  constexpr int events = 100'000;
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  {
    Open open(options);
    for (int i = 0; i < events; ++i) open.user.send(Audience::user("u" + std::to_string(i % 5000)), Event("text"));
    open.user.settle_all();
  }
  options.limits.max_events = events / 2;
  const auto begin = std::chrono::steady_clock::now();
  Open open(options);
  // To read all of them takes longer.
  CHECK(std::chrono::steady_clock::now() - begin < 1s);
  std::set<std::uint64_t> seen;
  CHECK(spate::test::eventually([&] {
    const std::uint64_t kept = open.store.status().kept;
    seen.insert(kept);
    return kept == events / 2;
  }));
  CHECK(seen.size() > 20);
  // A send did not wait for all of it, and is here.
  CHECK(open.user.send(Audience::user("u1"), Event("text")) == events + 1);
  open.user.settle_all();
  CHECK(open.user.fetch(Subscriber("u1"), events).sequences() == Numbers{events + 1});
}

TEST_CASE("what finds no room to wait in is refused, and the next one is not", "[history][sqlite]") {
  const Sync sync = GENERATE(Sync::normal, Sync::deliver_first);
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder, sync);
  options.max_pending_bytes = 2000;
  Open open(options);
  std::uint64_t first_refused = 0;
  std::size_t refused = 0, kept = 0;
  {
    for (int i = 0; i < 10'000; ++i) {
      const bool first = open.store.delivers_first();
      const std::uint64_t sequence = open.user.send(Audience::everybody(), Event("text"));
      CHECK((open.store.newest() == sequence) == first);
    }
    std::uint64_t before = 0;
    for (const auto& each : open.user.settle_all()) {
      if (each.error) {
        CHECK(each.error == spate::SqliteErrc::queue_full);
        refused += each.up_to - before;
        if (first_refused == 0) first_refused = before + 1;
      } else {
        kept += each.up_to - before;
      }
      before = each.up_to;
    }
  }
  CHECK(refused > 0);
  CHECK(refused + kept == 10'000);
  const StoreUser::Got got = open.user.fetch(Subscriber("alice"), 0, 10'000);
  CHECK(got.events.size() == kept);
  CHECK(got.discarded == 0);
  open.user.send(Audience::everybody(), Event("text"));
  CHECK(!open.user.settle_all().back().error);
}

// ---- against a model ----

namespace {

/// Keeps everything and looks at everything. What is over a limit of each audience is gone, oldest first.
class Model {
 public:
  explicit Model(std::size_t each) : each_(each) {}

  void append(std::uint64_t sequence, const Audience& audience) {
    std::vector<std::pair<int, std::string>> tracks;
    spate::detail::for_each_track(audience, [&](spate::detail::TrackName name) {
      tracks.emplace_back(static_cast<int>(name.kind), std::string(name.name));
    });
    std::sort(tracks.begin(), tracks.end());
    tracks.erase(std::unique(tracks.begin(), tracks.end()), tracks.end());
    for (const auto& track : tracks) {
      Numbers& kept = kept_[track];
      kept.push_back(sequence);
      if (each_ == 0 || kept.size() <= each_) continue;
      discarded_[track] = kept.front();
      kept.erase(kept.begin());
    }
  }

  std::pair<Numbers, std::uint64_t> fetch(const Subscriber& subscriber, std::uint64_t after) const {
    Numbers all;
    std::uint64_t discarded = 0;
    const auto add = [&](int kind, const std::string& name, std::uint64_t since) {
      const auto found = kept_.find({kind, name});
      if (found == kept_.end()) return;
      for (const std::uint64_t each : found->second) {
        if (each > std::max(after, since)) all.push_back(each);
      }
      const auto lost = discarded_.find({kind, name});
      if (lost != discarded_.end() && lost->second > since) discarded = std::max(discarded, lost->second);
    };
    const std::string user(subscriber.user);
    if (!user.empty()) {
      add(0, user, 0);
      for (std::size_t size = 0; size <= user.size(); ++size) add(1, user.substr(0, size), 0);
      add(2, "", 0);
    }
    for (const JoinedTopic& joined : subscriber.topics) add(3, joined.name, joined.since);
    std::sort(all.begin(), all.end());
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return {all, discarded};
  }

 private:
  const std::size_t each_;
  std::map<std::pair<int, std::string>, Numbers> kept_;
  std::map<std::pair<int, std::string>, std::uint64_t> discarded_;
};

}  // namespace

TEST_CASE("random sends, reads and restarts are those of the model", "[history][sqlite]") {
  const unsigned seed = GENERATE(range(1U, 13U));
  CAPTURE(seed);
  std::minstd_rand random(seed);
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder, static_cast<Sync>(seed % 3));
  options.limits.max_events_per_audience = seed % 2 == 0 ? 0 : 7;
  options.max_cache_bytes = 0;
  Model model(options.limits.max_events_per_audience);
  auto open = std::make_unique<Open>(options);
  const std::vector<std::string> names{"", "a", "ab", "abc", "abd", "b", "ba", "\xC3\xA9", "\xC3", "abcabcabc"};
  const auto name = [&]() -> const std::string& { return names[random() % names.size()]; };
  std::uint64_t newest = 0;
  for (int step = 0; step < 1500; ++step) {
    const unsigned what = random() % 100;
    if (what < 60) {
      const std::vector<std::string> several{name(), name(), name()};
      const std::string one = name();
      // Some together, which share a transaction, and a row of the file.
      const unsigned count = random() % 4 == 0 ? 1 + random() % 20 : 1;
      Audience audience = Audience::everybody();
      switch (random() % 6) {
        case 0: audience = Audience::user(one); break;
        case 1: audience = Audience::users(several); break;
        case 2: audience = Audience::group(one); break;
        case 3: audience = Audience::topic(one); break;
        case 4: audience = Audience::topics(several); break;
        default: break;
      }
      for (unsigned i = 0; i < count; ++i) {
        newest = open->user.send(audience, Event(std::string(random() % 300, 'x')));
        model.append(newest, audience);
      }
    } else if (what < 98) {
      open->user.settle_all();
      std::vector<JoinedTopic> topics;
      for (const std::string& each : {std::string("a"), std::string("ab"), std::string("b")}) {
        if (random() % 3 == 0) topics.push_back({each, random() % (newest + 1)});
      }
      const Subscriber subscriber(name(), topics);
      const std::uint64_t after = random() % (newest + 1);
      const auto [expected, discarded] = model.fetch(subscriber, after);
      const StoreUser::Got got = open->user.fetch(subscriber, after, random() % 2000);
      CAPTURE(step, subscriber.user, after, newest);
      REQUIRE(got.sequences() == expected);
      REQUIRE((got.discarded > after) == (discarded > after));
      if (discarded > after) REQUIRE(got.discarded == discarded);
      for (const auto& each : got.events) REQUIRE(each.event.id() == std::to_string(each.sequence));
      Numbers backwards = model.fetch(subscriber, 0).first;
      const std::uint64_t before = random() % (newest + 1);
      std::erase_if(backwards, [&](std::uint64_t each) { return each > before; });
      std::reverse(backwards.begin(), backwards.end());
      REQUIRE(open->user.fetch_newest(subscriber, before, 9999, random() % 2000) == backwards);
    } else {
      open.reset();
      open = std::make_unique<Open>(options);
      REQUIRE(open->store.newest() == newest);
    }
  }
}

// ---- rows that events share ----

namespace {

using spate::detail::HistoryReader;
using spate::detail::HistoryWriter;
using spate::detail::PendingEvent;
using spate::detail::TrackKind;

PendingEvent pending_for(const std::string& user, std::uint64_t sequence, std::int64_t at, std::size_t size = 100) {
  PendingEvent pending;
  pending.track = {TrackKind::user, user};
  const Event event = Event(std::string(size, 'x')).id(std::to_string(sequence));
  pending.event = {sequence, at, 0, EncodedEvent(event)};
  return pending;
}

std::int64_t rows_of(const SqliteOptions& options) {
  using spate::detail::SqliteConnection;
  return SqliteConnection(options.file, SqliteConnection::Use::read).integer("SELECT count(*) FROM events");
}

Numbers numbers_of(const SqliteOptions& options, const std::string& user) {
  HistoryReader reader(options.file, 0);
  Numbers numbers;
  const auto found = reader.read({{TrackKind::user, user}, 0, 1'000'000, 1'000'000, false});
  for (const auto& each : found.events) numbers.push_back(each.sequence);
  return numbers;
}

void tidy_all(HistoryWriter& writer, std::vector<HistoryWriter::Trimmed>& trimmed) {
  while (writer.untidy()) writer.tidy(trimmed);
}

}  // namespace

TEST_CASE("events that share a row are read like those that do not, from any number to any other",
          "[history][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder);
  HistoryWriter::Opened opened;
  HistoryWriter writer(options, opened);
  const std::int64_t now = spate::detail::wall_time();
  constexpr std::uint64_t newest = 400;
  std::map<std::string, Numbers> sent;
  std::vector<HistoryWriter::Trimmed> trimmed;
  std::minstd_rand random(1);
  for (std::uint64_t sequence = 1; sequence <= newest;) {
    std::vector<PendingEvent> events;
    for (std::size_t size = 1 + random() % 80; size > 0 && sequence <= newest; --size, ++sequence) {
      const std::string user = random() % 3 == 0 ? "bob" : "alice";
      PendingEvent pending = pending_for(user, sequence, now, random() % 20 == 0 ? 5000 : random() % 400);
      // Those that share no row stand between those that do.
      if (sequence % 7 == 0) pending.event.expires = now + 3'600'000;
      if (sequence % 11 == 0) {
        pending.several = true;
        pending.names = {"alice", "bob", "alice"};
        sent["alice"].push_back(sequence);
        sent["bob"].push_back(sequence);
      } else {
        sent[user].push_back(sequence);
      }
      events.push_back(std::move(pending));
    }
    REQUIRE(writer.keep(events, trimmed));
  }
  CHECK(writer.events() == newest);
  CHECK(rows_of(options) < 300);
  HistoryReader reader(options.file, 0);
  for (int i = 0; i < 3000; ++i) {
    const std::string user = random() % 2 == 0 ? "alice" : "bob";
    const std::uint64_t from = random() % newest, to = from + random() % (newest + 1 - from);
    const bool newest_first = random() % 2 == 0;
    const auto found = reader.read({{TrackKind::user, user}, from, to, random() % 9000, newest_first});
    if (i % 10 == 0) reader.end();
    CAPTURE(user, from, to, newest_first);
    Numbers numbers, expected;
    for (const auto& each : found.events) {
      numbers.push_back(each.sequence);
      REQUIRE(each.event.id() == std::to_string(each.sequence));
    }
    bool any = false;
    for (const std::uint64_t each : sent[user]) {
      any = any || (each > from && each <= to);
      if (each > found.from && each <= found.to) expected.push_back(each);
    }
    REQUIRE(numbers == expected);
    REQUIRE(numbers.empty() == !any);
    REQUIRE((newest_first ? found.to == to : found.from == from));
  }
}

TEST_CASE("of a row the oldest events are taken out, and no others", "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  const std::int64_t now = spate::detail::wall_time();
  std::vector<PendingEvent> events;
  for (std::uint64_t sequence = 1; sequence <= 20; ++sequence)
    events.push_back(pending_for("alice", sequence, sequence <= 6 ? now - 7'200'000 : now));
  events.push_back(pending_for("bob", 21, now));
  std::vector<HistoryWriter::Trimmed> trimmed;
  {
    HistoryWriter::Opened opened;
    HistoryWriter writer(options, opened);
    REQUIRE(writer.keep(events, trimmed));
    REQUIRE(rows_of(options) == 2);
    REQUIRE(trimmed.empty());
    writer.close(21);
  }
  std::uint64_t last = 0;
  SECTION("of one audience") {
    options.limits.max_events_per_audience = 3;
    last = 17;
  }
  SECTION("of the one that has most") {
    options.limits.max_events = 6;
    last = 15;
  }
  SECTION("that are too large together") {
    // As each is counted: its bytes, and what it costs besides.
    const auto bytes = static_cast<std::size_t>(events[10].event.event.bytes().size()) + 96;
    options.limits.max_bytes = 4 * bytes;
    last = 17;
  }
  SECTION("that are too old") {
    options.limits.max_age = 1h;
    last = 6;
  }
  HistoryWriter::Opened opened;
  HistoryWriter writer(options, opened);
  tidy_all(writer, trimmed);
  CHECK(writer.events() == 21 - last);
  REQUIRE(!trimmed.empty());
  CHECK(trimmed.back().track.name == "alice");
  CHECK(trimmed.back().trimmed == last);
  CHECK(trimmed.back().discarded == last);
  Numbers expected;
  for (std::uint64_t sequence = last + 1; sequence <= 20; ++sequence) expected.push_back(sequence);
  CHECK(numbers_of(options, "alice") == expected);
  CHECK(numbers_of(options, "bob") == Numbers{21});
}

TEST_CASE("a row whose parts do not fit its bytes is told as a gap", "[history][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder);
  HistoryWriter::Opened opened;
  HistoryWriter writer(options, opened);
  const std::int64_t now = spate::detail::wall_time();
  std::vector<PendingEvent> first, second;
  for (std::uint64_t sequence = 1; sequence <= 5; ++sequence) first.push_back(pending_for("alice", sequence, now));
  second.push_back(pending_for("alice", 6, now));
  std::vector<HistoryWriter::Trimmed> trimmed;
  REQUIRE(writer.keep(first, trimmed));
  REQUIRE(writer.keep(second, trimmed));
  using spate::detail::SqliteConnection;
  SqliteConnection other(options.file, SqliteConnection::Use::write);
  const char* const how = GENERATE("parts = substr(parts, 25)", "parts = substr(parts, 2)", "bytes = substr(bytes, 2)",
                                   "parts = substr(parts, 1, 96)");
  CAPTURE(how);
  other.run(("UPDATE events SET " + std::string(how) + " WHERE seq = 5").c_str());
  HistoryReader reader(options.file, 0);
  const auto found = reader.read({{TrackKind::user, "alice"}, 0, 6, 100'000, false});
  REQUIRE(found.events.size() == 1);
  CHECK(found.events.front().sequence == 6);
  CHECK(found.unreadable == 5);
}

// ---- files ----

TEST_CASE("a file that is none of ours is refused, and left as it is", "[history][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder);

  SECTION("no database") {
    const std::string text = GENERATE(std::string("hello"), std::string(100'000, 'x'));
    std::ofstream(options.file) << text;
    CHECK(message_of(options).find("is no database") != std::string::npos);
    CHECK(text_of(options.file) == text);
  }
  SECTION("another program's") {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(options.file.c_str(), &database) == SQLITE_OK);
    REQUIRE(sqlite3_exec(database, "CREATE TABLE t (x); INSERT INTO t VALUES (1)", nullptr, nullptr, nullptr) ==
            SQLITE_OK);
    sqlite3_close(database);
    const std::string before = text_of(options.file);
    CHECK(message_of(options).find("of another program") != std::string::npos);
    CHECK(text_of(options.file) == before);
  }
  SECTION("a newer version's") {
    { const SqliteReplayStore store(options); }
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(options.file.c_str(), &database) == SQLITE_OK);
    REQUIRE(sqlite3_exec(database, "PRAGMA user_version = 99", nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
    CHECK(message_of(options).find("newer version") != std::string::npos);
  }
  SECTION("a folder") {
    std::filesystem::create_directory(options.file);
    CHECK(message_of(options).find("cannot be opened") != std::string::npos);
  }
  SECTION("nowhere") {
    SqliteOptions nowhere = options;
    nowhere.file = (folder.path() / "none" / "history.db").string();
    CHECK(message_of(nowhere).find("name a folder that exists") != std::string::npos);
  }
  SECTION("no name") {
    SqliteOptions nameless = options;
    nameless.file.clear();
    CHECK_THROWS_AS(SqliteReplayStore(nameless), std::invalid_argument);
    nameless.file = options.file + std::string(1, '\0');
    CHECK_THROWS_AS(SqliteReplayStore(nameless), std::invalid_argument);
  }
  SECTION("in use") {
    const SqliteReplayStore store(options);
    CHECK(message_of(options).find("is in use by process " + std::to_string(::getpid())) != std::string::npos);
  }
}

TEST_CASE("a file is one store's, whichever link leads to it, and stays that when the process changes its folder",
          "[history][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options = options_in(folder);
  SqliteOptions linked = options;
  linked.file = (folder.path() / "link.db").string();
  const bool is_there = GENERATE(true, false);
  if (is_there) {
    const SqliteReplayStore store(options);
  }
  std::filesystem::create_symlink("history.db", linked.file);

  SECTION("two links") {
    const SqliteReplayStore store(linked);
    CHECK(message_of(options).find("is in use") != std::string::npos);
    CHECK(message_of(linked).find("is in use") != std::string::npos);
    const auto rights = std::filesystem::status(options.file).permissions();
    CHECK((rights & (std::filesystem::perms::group_all | std::filesystem::perms::others_all)) ==
          std::filesystem::perms::none);
  }
  SECTION("a link to itself") {
    SqliteOptions round = options;
    round.file = (folder.path() / "round.db").string();
    std::filesystem::create_symlink("round.db", round.file);
    CHECK(message_of(round).find("is a link to itself") != std::string::npos);
  }
  SECTION("another folder") {
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    options.file = "history.db";
    {
      Open open(options);
      std::filesystem::current_path(before);
      open.user.send(Audience::user("alice"), Event("text"));
      open.user.settle_all();
      CHECK(open.user.fetch(Subscriber("alice"), 0).sequences() == Numbers{1});
    }
    CHECK(std::filesystem::exists(folder.path() / "history.db"));
  }
  SECTION("what lies beside it is no link either") {
    std::ofstream(folder.path() / "precious") << "text";
    std::filesystem::remove(options.file + "-lock");
    std::filesystem::create_symlink("precious", options.file + "-lock");
    CHECK(message_of(options).find("-lock") != std::string::npos);
    CHECK(text_of(folder.path() / "precious") == "text");
  }
}

TEST_CASE("a file of an older version is brought to the newest, a step at a time", "[history][sqlite]") {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "some.db").string();
  using spate::detail::SqliteConnection;
  const std::vector<const char*> old{"CREATE TABLE a (x)"};
  const std::vector<const char*> steps{"CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y DEFAULT 7",
                                       "CREATE TABLE b (z)"};
  {
    SqliteConnection connection(file, SqliteConnection::Use::make);
    spate::detail::prepare_schema(connection, file, old);
    connection.run("INSERT INTO a VALUES (1)");
  }
  SqliteConnection connection(file, SqliteConnection::Use::make);
  SECTION("it is") {
    spate::detail::prepare_schema(connection, file, steps);
    CHECK(connection.integer("PRAGMA user_version") == 3);
    CHECK(connection.integer("SELECT y FROM a") == 7);
  }
  SECTION("a step that fails changes nothing") {
    const std::vector<const char*> wrong{steps[0], "ALTER TABLE a ADD COLUMN y DEFAULT 7; nonsense"};
    CHECK_THROWS_AS(spate::detail::prepare_schema(connection, file, wrong), spate::detail::SqliteError);
    CHECK(connection.integer("PRAGMA user_version") == 1);
    CHECK(connection.integer("SELECT count(*) FROM pragma_table_info('a')") == 1);
  }
}

TEST_CASE("messages say what is wrong, and not where", "[history][sqlite]") {
  for (const int code :
       {SQLITE_FULL, SQLITE_IOERR_FSYNC, SQLITE_IOERR_READ, SQLITE_READONLY, SQLITE_CORRUPT, SQLITE_BUSY,
        SQLITE_CANTOPEN, SQLITE_NOMEM, SQLITE_TOOBIG, SQLITE_PERM, SQLITE_NOTADB, -1, -2, 1}) {
    const std::string message = spate::sqlite_category().message(code);
    CHECK(!message.empty());
    CHECK(message.find('/') == std::string::npos);
  }
}
