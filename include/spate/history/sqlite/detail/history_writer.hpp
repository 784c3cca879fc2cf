// HistoryWriter: the transactions that change a history file.
//
// Each holds the events that came while the one before it was written, and takes out some of what is over the limits:
// no more than twice what came in. When nothing comes, what is left is taken out a millisecond at a time. What fails
// changes nothing; the file is opened again before the next.
//
// One thread at a time: whoever makes it, then the writer's.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/audience_rows.hpp>
#include <spate/history/sqlite/detail/event_pack.hpp>
#include <spate/history/sqlite/detail/file_lock.hpp>
#include <spate/history/sqlite/detail/sqlite_connection.hpp>
#include <spate/history/sqlite/detail/track.hpp>

namespace spate::detail {

class HistoryWriter {
 public:
  using Sync = SqliteOptions::Sync;

  /// What is known of a file when it is opened.
  struct Opened {
    std::string epoch;
    std::uint64_t newest = 0;                                    // that was given out, or must be taken to have been
    std::uint64_t discarded = 0;                                 // of any audience
    std::uint64_t discarded_all = 0;                             // up to there something may be missing for anybody
    std::vector<std::pair<std::uint64_t, std::uint64_t>> holes;  // first and last, in order
    std::vector<std::size_t> lengths;                            // of the prefixes of groups
  };

  /// Of a track something is not kept any more.
  struct Trimmed {
    OwnedTrackName track;
    std::uint64_t trimmed;
    std::uint64_t discarded;
  };

  /// Opens `options.file`, or makes it. Throws SqliteFileError.
  SPATE_DECL HistoryWriter(const SqliteOptions& options, Opened& opened);

  /// Keeps `events` in one transaction. Throws SqliteError, and then none of them is kept. Returns whether `trimmed`
  /// says all that was taken out: it does not when the commit was reported to have failed, but took place.
  bool keep(std::span<const PendingEvent> events, std::vector<Trimmed>& trimmed);

  /// Up to `sequence` something is missing for anybody: the next transaction says so in the file.
  void lost(std::uint64_t sequence) noexcept { lost_ = std::max(lost_, sequence); }

  /// Whether there was more over the limits than the last transaction took out, or room in the file to give back.
  bool untidy() const noexcept { return untidy_; }
  /// Does some of that, in a transaction of its own. Throws SqliteError.
  void tidy(std::vector<Trimmed>& trimmed);

  /// When something will be, though nothing is sent; nothing when there is no such moment.
  std::optional<UnixMilliseconds> tidy_at() const noexcept { return tidy_at_; }

  /// How many pages the write-ahead log of the database has.
  int log_pages() const noexcept { return log_pages_; }
  /// Moves what is there into the database. It begins anew when all of it has been moved, so this is the writer's; but
  /// what somebody else has moved before need not be moved now.
  void checkpoint();

  /// Numbers up to there may be given out: the file says so.
  std::uint64_t reserved() const noexcept { return reserved_; }
  std::uint64_t events() const noexcept { return static_cast<std::uint64_t>(totals_.events); }

  /// Says in the file that nothing is missing in it: everything up to `newest` has been written or has failed.
  void close(std::uint64_t newest);

 private:
  struct Totals {
    std::int64_t events = 0;
    std::int64_t bytes = 0;
    std::int64_t empty = 0;  // audiences without events
    std::uint64_t newest = 0;
    std::uint64_t reserved = 0;
    std::uint64_t discarded = 0;
    std::uint64_t discarded_all = 0;
    UnixMilliseconds at = 0;  // of the newest event
  };

  struct Statements {
    AudienceRows audiences;
    SqliteStatement begin, commit, insert_event, insert_entry, state, oldest_event, expired_event, event, drop_event,
        drop_parts, drop_owner, drop_entry, drop_entries, oldest_of_track, most_events, most_bytes;
  };

  // A track's share in the cost of an event, and what its entry costs besides: indexes and the like.
  static constexpr std::int64_t event_cost = 64;
  static constexpr std::int64_t entry_cost = 32;
  static std::int64_t cost_of(std::int64_t size) noexcept { return size + event_cost; }
  // Numbers that are reserved at a time. Half of them are more than there are events that wait: an emitter refuses
  // more.
  static constexpr std::uint64_t block = 4 * 1024 * 1024;

  // What one transaction may still take out.
  class Budget {
   public:
    using Clock = std::chrono::steady_clock;

    Budget(std::int64_t steps, Clock::duration time) : steps_(steps), until_(Clock::now() + time) {}
    bool take(std::int64_t steps);

   private:
    std::int64_t steps_;
    const Clock::time_point until_;
  };

  struct EventRow {
    std::uint64_t sequence = 0;  // of the last event
    std::int64_t owners = 0;
    UnixMilliseconds expires = 0;
    std::vector<std::int64_t> audiences;  // of several events it is one
    std::vector<EventPart> parts;
  };

  void connect();
  void undo();
  bool took_place(std::uint64_t newest) noexcept;
  void open(Opened& opened);
  void prepare();
  void load_totals();
  void begin(bool full);
  void commit();
  void roll_back() noexcept;
  std::int64_t insert(const PendingEvent& pending);
  void insert_packed(const PendingEvent& pending);
  void write_pack(AudienceRow& row);
  void write_packs();
  void discard(const PendingEvent& pending);
  void write_totals();
  void report(std::vector<Trimmed>& trimmed);
  bool trim(Budget& budget);
  bool trim_expired(Budget& budget);
  bool trim_old(Budget& budget);
  bool trim_most(SqliteStatement& most, std::int64_t limit, std::int64_t AudienceRow::*held, std::int64_t each_limit,
                 const std::int64_t* total, Budget& budget);
  bool trim_track(AudienceRow& row, std::int64_t AudienceRow::*held, std::int64_t down_to, const std::int64_t* total,
                  std::int64_t limit, Budget& budget);
  EventRow read_event(std::uint64_t sequence);
  std::optional<EventPart> oldest_event();
  void drop(const EventRow& event, bool is_discard);
  void drop_first(const EventRow& event, std::size_t count);
  void cut(const EventRow& event, std::size_t count);
  void forget(AudienceRow& row, std::uint64_t sequence, bool is_discard);
  bool vacuum();
  void find_next_moment();

  const SqliteOptions options_;
  const FileLock lock_;
  SqliteConnection connection_;
  std::string epoch_;
  std::optional<Statements> statements_;
  Totals totals_;
  std::uint64_t reserved_ = 0;
  bool commits_full_ = false;  // as the connection is set
  std::uint64_t lost_ = 0;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> undo_;  // first and last
  bool untidy_ = true;
  unsigned commits_ = 0;  // since it was looked for room to give back
  int log_pages_ = 0;     // of the write-ahead log
  std::optional<UnixMilliseconds> tidy_at_;
  // Rows of events that are being filled, and how many of them; kept for their capacity, like those below.
  std::vector<EventPack> packs_;
  std::size_t open_packs_ = 0;
  // Of one event.
  std::vector<AudienceRow*> owners_;
  std::vector<std::int64_t> ids_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/history_writer.ipp>
#include <spate/history/sqlite/impl/history_writer_trim.ipp>
#endif
