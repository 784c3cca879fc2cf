// A SqliteReplayStore keeps history in a file, an SQLite database: it outlives the process, and may be larger than
// memory.
//
//   #include <spate/history/sqlite_replay_store.hpp>      // link to spate::sqlite
//
//   spate::SqliteOptions options;
//   options.file = "/var/lib/example/history.db";
//   spate::EmitterOptions emitter;
//   emitter.replay = std::make_shared<spate::SqliteReplayStore>(options);
//
// The same epoch goes on after a stop, a crash or SIGKILL, and cursors resume. Events that are sent while one commit
// runs share the next. What is over the limits goes a little at a time, and the room that it took is used again.
//
// Threads: the Emitter's lock, like every store; but `status` any. The store has two threads of its own, one that
// writes and one that reads and moves SQLite's log into the database: no call waits for the disk. Its destructor does:
// it ends when what was appended is in the file, or could not be put there.
//
// The file is this store's alone, as long as that lives: beside it lies another one, `-lock`, by which a second process
// is told who has it. A child of fork() has no history: what it sends is refused. A file must not be replaced by an
// older copy of itself: ids would be given out twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/history/sqlite_options.hpp>

namespace spate {

namespace detail {
class SqliteHistory;
}

class SqliteReplayStore final : public ReplayStore {
 public:
  /// Opens the file, or makes it. Throws SqliteFileError when it cannot be read and written, is no history of this
  /// library or one of a newer version, is damaged, or is in use; it is never overwritten. Throws std::invalid_argument
  /// when `file` is empty or has a zero byte, or a limit is negative.
  SPATE_DECL explicit SqliteReplayStore(SqliteOptions options);
  SPATE_DECL ~SqliteReplayStore() override;

  using Status = SqliteStatus;
  /// Threads: any.
  SPATE_DECL Status status() const;

  SPATE_DECL std::string_view epoch() const override;
  SPATE_DECL std::uint64_t newest() const override;
  SPATE_DECL std::uint64_t newest_given() const override;
  SPATE_DECL bool has_given(std::uint64_t sequence) const override;

  SPATE_DECL void append(std::uint64_t sequence, const Audience& audience, const EncodedEvent& event) override;

  SPATE_DECL bool keeps_later() const noexcept override;
  /// With Sync::deliver_first, of the event that is appended next: not while an earlier one waits, for want of room or
  /// of ids that are reserved in the file.
  SPATE_DECL bool delivers_first() const noexcept override;
  /// Must not be called under a lock that `settled` takes.
  SPATE_DECL void on_settled(std::function<void()> settled) override;
  SPATE_DECL void settle(std::vector<Settled>& settled) override;

  SPATE_DECL bool at_hand(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                          const Waiter& waiter) override;
  SPATE_DECL bool newest_at_hand(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                                 const Waiter& waiter) override;

  /// What is fetched or asked for without being `at_hand` counts as discarded.
  SPATE_DECL std::uint64_t fetch(std::string_view user, std::uint64_t after, std::size_t max_bytes,
                                 std::vector<StoredEvent>& events) override;
  SPATE_DECL std::uint64_t fetch(const Subscriber& subscriber, std::uint64_t after, std::size_t max_bytes,
                                 std::vector<StoredEvent>& events) override;
  SPATE_DECL std::optional<std::uint64_t> fetch_sequences(const Subscriber& subscriber, std::uint64_t after,
                                                          std::size_t max_bytes,
                                                          std::vector<std::uint64_t>& sequences) override;
  SPATE_DECL void fetch_newest(const Subscriber& subscriber, std::uint64_t before, std::size_t max_bytes,
                               std::vector<StoredEvent>& events) override;
  SPATE_DECL std::uint64_t discarded(const Subscriber& subscriber) override;

  SPATE_DECL void skip(std::uint64_t sequence) override;

 private:
  std::unique_ptr<detail::SqliteHistory> history_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/sqlite_replay_store.ipp>
#endif
