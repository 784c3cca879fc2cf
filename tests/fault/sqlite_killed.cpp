// Processes with a history in SQLite that are killed in the middle of it, or meet each other.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <spate/history/sqlite_replay_store.hpp>
#include "support/catch.hpp"
#include "support/store_user.hpp"
#include "support/temporary_folder.hpp"

using spate::Audience;
using spate::Event;
using spate::SqliteOptions;
using spate::SqliteReplayStore;
using spate::Subscriber;
using spate::test::StoreUser;
using spate::test::TemporaryFolder;
using Sync = spate::SqliteOptions::Sync;

namespace {

/// What a writer tells of each event: that its number was given, or that it is kept.
struct Told {
  std::uint64_t sequence;
  std::uint64_t content;
  bool kept;
};

/// A process that sends as fast as it can, and writes down what it has been told; it is killed.
class Writer {
 public:
  Writer(const SqliteOptions& options, std::uint64_t first_content) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    process_ = ::fork();
    if (process_ < 0) throw std::runtime_error("fork");
    if (process_ == 0) {
      ::close(ends[0]);
      run(options, first_content, ends[1]);
      ::_exit(1);
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() {
    if (from_ >= 0) static_cast<void>(kill());
  }

  /// Reads `count` of what it is told, kills it, and returns all that it was told.
  std::vector<Told> kill_after(std::size_t count) {
    std::vector<Told> told;
    Told each;
    while (told.size() < count && read(each)) told.push_back(each);
    const std::vector<Told> rest = kill();
    told.insert(told.end(), rest.begin(), rest.end());
    return told;
  }

 private:
  [[noreturn]] static void run(const SqliteOptions& options, std::uint64_t content, int to) {
    SqliteReplayStore store(options);
    const auto tell = [to](std::uint64_t sequence, std::uint64_t its, bool kept) {
      const Told told{sequence, its, kept};
      if (::write(to, &told, sizeof told) != sizeof told) ::_exit(2);
    };
    std::vector<spate::ReplayStore::Settled> settled;
    std::map<std::uint64_t, std::uint64_t> contents;
    std::uint64_t told_up_to = store.newest();
    for (;;) {
      const std::uint64_t sequence = store.newest_given() + 1;
      const bool first = store.delivers_first();
      // Before anybody is told of it: a number must not be found twice.
      contents[sequence] = content;
      const std::string user = "u" + std::to_string(content % 7);
      store.append(sequence, Audience::user(user),
                   spate::EncodedEvent(Event(std::to_string(content)).id(std::to_string(sequence))));
      if (first) tell(sequence, content, false);
      ++content;
      settled.clear();
      store.settle(settled);
      for (const auto& each : settled) {
        for (; told_up_to < each.up_to; ++told_up_to) {
          if (!each.error) tell(told_up_to + 1, contents[told_up_to + 1], true);
          contents.erase(told_up_to + 1);
        }
      }
      if (contents.size() > 1000) std::this_thread::yield();
    }
  }

  bool read(Told& told) const {
    std::size_t have = 0;
    while (have < sizeof told) {
      const ssize_t size = ::read(from_, reinterpret_cast<char*>(&told) + have, sizeof told - have);
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return false;
      have += static_cast<std::size_t>(size);
    }
    return true;
  }

  std::vector<Told> kill() {
    ::kill(process_, SIGKILL);
    std::vector<Told> rest;
    Told each;
    while (read(each)) rest.push_back(each);
    ::close(from_);
    from_ = -1;
    int status = 0;
    ::waitpid(process_, &status, 0);
    if (!WIFSIGNALED(status)) throw std::runtime_error("the writer ended by itself");
    return rest;
  }

  pid_t process_;
  int from_;
};

}  // namespace

TEST_CASE("a writer that is killed a hundred times loses nothing that was acknowledged, and gives no id twice",
          "[fault][sqlite]") {
  const Sync sync = GENERATE(Sync::full, Sync::normal, Sync::deliver_first);
  const unsigned kills = sync == Sync::deliver_first ? 50 : 100;
  const TemporaryFolder folder;
  SqliteOptions options;
  options.file = (folder.path() / "history.db").string();
  options.sync = sync;
  options.limits.max_events = 10'000'000;
  std::minstd_rand random(11);
  std::map<std::uint64_t, std::uint64_t> kept;   // acknowledged: the content by its number
  std::map<std::uint64_t, std::uint64_t> given;  // all numbers that somebody was told
  std::string epoch;
  std::uint64_t contents = 1;
  for (unsigned round = 0; round < kills; ++round) {
    Writer writer(options, contents);
    for (const Told& each : writer.kill_after(random() % 400)) {
      const auto [known, fresh] = given.emplace(each.sequence, each.content);
      if (!fresh && known->second != each.content) FAIL("number " << each.sequence << " was given twice");
      if (each.kept) kept[each.sequence] = each.content;
      contents = std::max(contents, each.content + 1);
    }
    contents += 100'000;  // of what was sent and not told
    if (round % 10 != 9) continue;
    // All that was acknowledged is there, once, as it was.
    SqliteReplayStore store(options);
    StoreUser user(store);
    if (epoch.empty()) epoch = store.epoch();
    REQUIRE(epoch == store.epoch());
    if (!given.empty()) REQUIRE(store.newest() > given.rbegin()->first);
    std::map<std::uint64_t, std::string> found;
    for (int i = 0; i < 7; ++i) {
      const StoreUser::Got got = user.fetch(Subscriber("u" + std::to_string(i)), 0, 100'000);
      if (sync != Sync::deliver_first) REQUIRE(got.discarded == 0);
      for (const auto& each : got.events) {
        if (!found.emplace(each.sequence, std::string(each.event.bytes())).second) FAIL("twice: " << each.sequence);
      }
    }
    for (const auto& [sequence, content] : kept) {
      if (found[sequence] != "id: " + std::to_string(sequence) + "\ndata: " + std::to_string(content) + "\n\n")
        FAIL(sequence << " is lost, or another one: " << found[sequence]);
    }
    // What was seen and is lost is told.
    for (const auto& [sequence, content] : given) {
      if (found.count(sequence) == 1) continue;
      REQUIRE(sync == Sync::deliver_first);
      REQUIRE(user.discarded(Subscriber("u0"), sequence) >= sequence);
    }
  }
  CHECK(kept.size() > kills);
}

TEST_CASE("a second process is told who has the file", "[fault][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options;
  options.file = (folder.path() / "history.db").string();
  const SqliteReplayStore store(options);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    std::string says = "it was opened";
    try {
      // Not that of the parent, which a child inherits: another one.
      const SqliteReplayStore second(options);
    } catch (const spate::SqliteFileError& error) {
      says = error.what();
    }
    ::_exit(::write(ends[1], says.data(), says.size()) == static_cast<ssize_t>(says.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string says(1000, '\0');
  says.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(ends[0], says.data(), says.size()), 0)));
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  CHECK(says.find("is in use by process " + std::to_string(::getpid())) != std::string::npos);
}

TEST_CASE("a child has no history, and leaves its parent's as it is", "[fault][sqlite]") {
  const TemporaryFolder folder;
  SqliteOptions options;
  options.file = (folder.path() / "history.db").string();
  auto store = std::make_unique<SqliteReplayStore>(options);
  auto user = std::make_unique<StoreUser>(*store);
  user->send(Audience::everybody(), Event("one"));
  user->settle_all();
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    bool right = true;
    store->append(2, Audience::everybody(), spate::EncodedEvent(Event("child's")));
    std::vector<spate::ReplayStore::Settled> settled;
    store->settle(settled);
    right = right && settled.size() == 1 && settled[0].error == spate::SqliteErrc::forked;
    std::vector<spate::StoredEvent> events;
    right = right && store->fetch("anybody", 0, 1000, events) > 0 && !store->status().well;
    store.reset();
    ::_exit(right ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(user->send(Audience::everybody(), Event("two")) == 2);
  user->settle_all();
  CHECK(user->fetch(Subscriber("anybody"), 0).sequences() == std::vector<std::uint64_t>{1, 2});
}
