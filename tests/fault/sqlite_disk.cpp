// The store on SQLite when the disk fails, is full, cannot be written, is damaged, or the power fails.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <sqlite3.h>

#include <spate/history/sqlite_replay_store.hpp>
#include "support/catch.hpp"
#include "support/faulty_disk.hpp"
#include "support/store_user.hpp"
#include "support/temporary_folder.hpp"

using spate::Audience;
using spate::Event;
using spate::ReplayStore;
using spate::SqliteFileError;
using spate::SqliteOptions;
using spate::SqliteReplayStore;
using spate::Subscriber;
using spate::test::FaultyDisk;
using spate::test::StoreUser;
using spate::test::TemporaryFolder;
using Call = spate::test::FaultyDisk::Call;
using Sync = spate::SqliteOptions::Sync;
using Numbers = std::vector<std::uint64_t>;

namespace {

SqliteOptions options_in(const TemporaryFolder& folder, Sync sync) {
  SqliteOptions options;
  options.file = (folder.path() / "history.db").string();
  options.sync = sync;
  return options;
}

struct Open {
  explicit Open(const SqliteOptions& options) : store(options), user(store) {}

  /// Sends, and waits for what becomes of it. Returns the number when it is kept, otherwise 0.
  std::uint64_t send(std::string text = "text") {
    const std::uint64_t sequence = user.send(Audience::everybody(), Event(std::move(text)));
    const auto settled = user.settle_all();
    error = settled.empty() ? std::error_code() : settled.back().error;
    return error ? 0 : sequence;
  }

  SqliteReplayStore store;
  StoreUser user;
  std::error_code error;
};

const Subscriber anybody("anybody");

}  // namespace

TEST_CASE("a disk that fails is told, and afterwards all goes on", "[fault][sqlite]") {
  const Sync sync = GENERATE(Sync::full, Sync::normal);
  const auto [call, code, says] = GENERATE(table<Call, int, std::string>({
      {Call::write, SQLITE_FULL, "is full"},
      {Call::write, SQLITE_IOERR_WRITE, "reading or writing"},
      {Call::write, SQLITE_READONLY, "cannot be written"},
      {Call::sync, SQLITE_IOERR_FSYNC, "does not confirm"},
  }));
  if (call == Call::sync && sync != Sync::full) return;  // it is not synced
  CAPTURE(static_cast<int>(sync), says);
  FaultyDisk disk;
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, sync);
  Numbers kept;
  {
    Open open(options);
    kept.push_back(open.send());
    disk.fail(call, 1, code);
    CHECK(open.send() == 0);
    CHECK(open.error.category() == spate::sqlite_category());
    CHECK(open.error.message().find(says) != std::string::npos);
    CHECK(open.send() == 0);
    CHECK(disk.failed(call) >= 2);
    const spate::SqliteStatus status = open.store.status();
    CHECK(!status.well);
    CHECK(status.reason.find(says) != std::string::npos);
    CHECK(status.reason.find(folder.path().string()) == std::string::npos);
    CHECK(status.failed == 2);
    // What was kept is read all the same, and what was not is not.
    CHECK(open.user.fetch(anybody, 0).sequences() == kept);
    CHECK(open.user.fetch(anybody, 0).discarded == 0);
    disk.mend();
    kept.push_back(open.send());
    CHECK(kept.back() == 4);
    CHECK(open.store.status().well);
    CHECK(open.store.status().reason.empty());
    CHECK(open.user.fetch(anybody, 0).sequences() == kept);
  }
  Open open(options);
  CHECK(open.user.fetch(anybody, 0).sequences() == kept);
  CHECK(open.store.newest() == 4);
}

TEST_CASE("what was seen and not kept is a gap in the next process, too, though nothing was sent any more",
          "[fault][sqlite]") {
  const bool skips = GENERATE(false, true);
  CAPTURE(skips);
  FaultyDisk disk;
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, skips ? Sync::normal : Sync::deliver_first);
  {
    Open open(options);
    open.send();
    disk.fail(Call::write, 1, SQLITE_FULL);
    if (skips) {
      open.store.skip(2);
      CHECK(spate::test::eventually([&] { return !open.store.status().well; }));
    } else {
      CHECK(open.send() == 0);
    }
    disk.mend();
  }
  Open open(options);
  CHECK(open.user.fetch(anybody, 1).discarded == 2);
}

TEST_CASE("with deliver_first, what was seen and not kept is a gap for whoever was away", "[fault][sqlite]") {
  FaultyDisk disk;
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, Sync::deliver_first);
  {
    Open open(options);
    open.send();
    disk.fail(Call::write, 1, SQLITE_FULL);
    CHECK(open.send() == 0);
    CHECK(open.user.fetch(anybody, 1).discarded == 2);
    disk.mend();
    CHECK(open.send() == 3);
  }
  Open open(options);
  CHECK(open.user.fetch(anybody, 0).sequences() == Numbers{1, 3});
  CHECK(open.user.fetch(anybody, 1).discarded == 2);
}

TEST_CASE("whichever call fails, what is acknowledged is kept once", "[fault][sqlite]") {
  const Sync sync = GENERATE(Sync::full, Sync::normal);
  const Call call = GENERATE(Call::write, Call::sync, Call::read, Call::truncate, Call::open);
  const bool once = GENERATE(true, false);
  const int code = call == Call::sync       ? SQLITE_IOERR_FSYNC
                   : call == Call::read     ? SQLITE_IOERR_READ
                   : call == Call::truncate ? SQLITE_IOERR_TRUNCATE
                   : call == Call::open     ? SQLITE_CANTOPEN
                                            : SQLITE_FULL;
  CAPTURE(static_cast<int>(sync), static_cast<int>(call), once);
  bool reached = true;
  for (std::uint64_t nth = 1; reached && nth < 60; ++nth) {
    FaultyDisk disk;
    const TemporaryFolder folder;
    SqliteOptions options = options_in(folder, sync);
    options.limits.max_events = 5;
    std::set<std::uint64_t> kept, given;
    {
      Open open(options);
      disk.fail(call, nth, code, once ? 1 : UINT64_MAX);
      for (int i = 0; i < 8; ++i) {
        const std::uint64_t sequence = open.send(std::string(3000, 'x'));
        if (sequence != 0) kept.insert(sequence);
        given.insert(open.store.newest_given());
      }
      reached = disk.failed(call) > 0;
      disk.mend();
      for (int i = 0; i < 3; ++i) {
        const std::uint64_t sequence = open.send();
        // Once more is allowed to fail: a connection may be in the middle of it.
        if (sequence != 0) kept.insert(sequence);
        REQUIRE((i == 0 || sequence != 0));
        given.insert(open.store.newest_given());
      }
      REQUIRE(given.size() == 11);
    }
    Open open(options);
    const StoreUser::Got got = open.user.fetch(anybody, 0);
    CAPTURE(nth);
    const Numbers found = got.sequences();
    REQUIRE(std::set<std::uint64_t>(found.begin(), found.end()).size() == found.size());
    // All that was acknowledged, but for what the limit took.
    for (const std::uint64_t each : kept) {
      if (each > got.discarded) REQUIRE(std::count(found.begin(), found.end(), each) == 1);
    }
    REQUIRE(found.size() <= 5);
    REQUIRE(kept.count(*kept.rbegin()) == 1);
    REQUIRE(found.back() == *kept.rbegin());
    REQUIRE(open.store.newest() >= *given.rbegin());
  }
}

TEST_CASE("a history that cannot be read is told as a gap, and nobody waits for it", "[fault][sqlite]") {
  FaultyDisk disk;
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, Sync::normal);
  {
    Open open(options);
    for (int i = 0; i < 300; ++i) open.user.send(Audience::everybody(), Event(std::string(1000, 'x')));
    open.user.settle_all();
  }
  Open open(options);
  disk.fail(Call::read, 1, SQLITE_IOERR_READ);
  const StoreUser::Got lost = open.user.fetch(anybody, 0);
  CHECK(disk.failed(Call::read) > 0);
  CHECK(lost.events.empty());
  CHECK(lost.discarded == 300);
  disk.mend();
  // A second later it is tried again.
  CHECK(spate::test::eventually([&] { return open.user.fetch(anybody, 0).events.size() == 300; }));
  CHECK(open.user.fetch(anybody, 0).discarded == 0);
}

TEST_CASE("of a file with a damaged page the rest is replayed", "[fault][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, Sync::normal);
  {
    Open open(options);
    for (int i = 0; i < 300; ++i)
      open.user.send(Audience::everybody(), Event("event " + std::to_string(i) + " " + std::string(1000, 'x')));
    open.user.settle_all();
  }
  // The page that holds event 150.
  std::string bytes;
  {
    std::ifstream in(options.file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  const std::size_t at = bytes.find("event 150 ");
  REQUIRE(at != std::string::npos);
  const std::size_t page = at / 4096 * 4096;
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(page), 4096, '\xFF');
  {
    std::ofstream out(options.file, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  Open open(options);
  const StoreUser::Got got = open.user.fetch(anybody, 0, 10'000);
  CHECK(got.events.size() >= 295);
  CHECK(got.events.size() < 300);
  CHECK(got.discarded > 140);
  CHECK(got.discarded < 160);
  CHECK(got.events.back().sequence == 300);
  CHECK(open.send() == 301);
}

TEST_CASE("a file that is damaged at its beginning is refused, and left as it is", "[fault][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, Sync::normal);
  {
    Open open(options);
    open.send();
  }
  {
    std::fstream out(options.file, std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(100);
    const std::string garbage(3000, '\xFF');
    out.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
  }
  const auto size = std::filesystem::file_size(options.file);
  CHECK_THROWS_AS(SqliteReplayStore(options), SqliteFileError);
  CHECK(std::filesystem::file_size(options.file) == size);
}

TEST_CASE("a file that cannot be written is refused", "[fault][sqlite]") {
  const TemporaryFolder folder;
  const SqliteOptions options = options_in(folder, Sync::normal);
  { const SqliteReplayStore store(options); }
  FaultyDisk disk;
  disk.fail(Call::write, 1, SQLITE_READONLY);
  try {
    const SqliteReplayStore store(options);
    FAIL("it was opened");
  } catch (const SqliteFileError& error) {
    CHECK(std::string(error.what()).find("cannot be written") != std::string::npos);
  }
}

TEST_CASE("a log that ends in the middle of a write is cut there", "[fault][sqlite]") {
  const TemporaryFolder folder, copy;
  const SqliteOptions options = options_in(folder, Sync::full);
  Open open(options);
  for (int i = 0; i < 50; ++i) open.send(std::string(500, 'x'));
  std::uintmax_t size = std::filesystem::file_size(options.file + "-wal");
  for (int cut = 0; cut < 40; ++cut) {
    const SqliteOptions torn = options_in(copy, Sync::full);
    std::filesystem::copy_file(options.file, torn.file, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::copy_file(options.file + "-wal", torn.file + "-wal",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::remove(torn.file + "-shm");
    size -= 777;
    std::filesystem::resize_file(torn.file + "-wal", size);
    Open again(torn);
    const Numbers found = again.user.fetch(anybody, 0).sequences();
    // The beginning of what was sent, without a hole, and no number comes again.
    for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(found[i] == i + 1);
    REQUIRE(again.send() > 50);
  }
}

TEST_CASE("what is acknowledged survives a power failure, or everybody is told", "[fault][sqlite]") {
  const Sync sync = GENERATE(Sync::full, Sync::normal, Sync::deliver_first);
  std::minstd_rand random(7);
  std::size_t lost_some = 0;
  for (int round = 0; round < 15; ++round) {
    const TemporaryFolder folder, left;
    std::uint64_t given = 0;
    std::set<std::uint64_t> kept, kept_before;
    std::string epoch;
    SqliteOptions options = options_in(folder, sync);
    {
      FaultyDisk disk;
      Open open(options);
      epoch = open.store.epoch();
      // Some rounds are long enough for the log to be moved into the database meanwhile.
      const unsigned sends = round % 5 == 4 ? 300 + random() % 500 : 1 + random() % 60;
      for (unsigned i = 0; i < sends; ++i) {
        const std::uint64_t sequence = open.send(std::string(random() % 2000, 'x'));
        REQUIRE(sequence != 0);
        kept.insert(sequence);
      }
      // Some more are under way.
      for (int i = 0; i < 5; ++i) open.user.send(Audience::everybody(), Event("late"));
      disk.save_synced(left.path(), random, [&] {
        kept_before = kept;
        given = open.store.newest_given();
      });
    }
    SqliteOptions after = options_in(left, sync);
    {
      // It is another boot.
      sqlite3* database = nullptr;
      REQUIRE(sqlite3_open(after.file.c_str(), &database) == SQLITE_OK);
      REQUIRE(sqlite3_exec(database, "UPDATE state SET boot = 'another'", nullptr, nullptr, nullptr) == SQLITE_OK);
      sqlite3_close(database);
    }
    Open open(after);
    CAPTURE(static_cast<int>(sync), round, given);
    CHECK(open.store.epoch() == epoch);
    const StoreUser::Got got = open.user.fetch(anybody, 0);
    const Numbers found = got.sequences();
    const std::set<std::uint64_t> all(found.begin(), found.end());
    REQUIRE(all.size() == found.size());
    for (const std::uint64_t each : kept_before) {
      if (all.count(each) == 1) continue;
      ++lost_some;
      REQUIRE(sync != Sync::full);
      REQUIRE(open.user.fetch(anybody, each - 1).discarded >= each);
    }
    REQUIRE(open.store.newest() > given);
    REQUIRE(open.send() > given);
    if (sync == Sync::full) REQUIRE(got.discarded == 0);
    // A cursor of what is no more is denied.
    REQUIRE(open.store.has_given(found.empty() ? 0 : found.back()));
    REQUIRE(!open.store.has_given(given));
  }
  // The test is one only if the disk forgets.
  CHECK((lost_some > 0) == (sync != Sync::full));
}
