// HistoryReader: reads tracks from a history file, by a connection of its own.
//
// One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/event_pack.hpp>
#include <spate/history/sqlite/detail/sqlite_connection.hpp>
#include <spate/history/sqlite/detail/track_cache.hpp>

namespace spate::detail {

class HistoryReader {
 public:
  /// What is asked of a track: what is kept of it after `from` up to `to`, as far as `bytes` of events go.
  struct Question {
    OwnedTrackName track;
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::size_t bytes = 0;
    bool newest_first = false;  // from `to` downwards
  };

  HistoryReader(std::string file, UnixMilliseconds max_age) : file_(std::move(file)), max_age_(max_age) {}

  /// Never fails: what cannot be read is said to be lost. Until `end` all that is read is of one moment.
  TrackCache::Found read(const Question& question) noexcept;
  void end() noexcept;

  /// Moves what is in the write-ahead log of the database into the database, as far as it was written when this began.
  /// Whoever writes meanwhile does not wait.
  void checkpoint() noexcept;

  /// Lets go of what it has open of the file.
  void close() noexcept;

 private:
  struct Statements {
    SqliteStatement audience, mark, forward, backward, entries, event;
  };

  void connect();
  std::int64_t find_audience(TrackName name, TrackCache::Found& found);
  void read_rows(const Question& question, TrackCache::Found& found);
  void read_one_by_one(const Question& question, TrackCache::Found& found);

  // Visits those events of a row that are asked for, in the order of the question, until it returns false; then this
  // does, too.
  template <typename Visit>
  bool for_each_event(std::uint64_t sequence, UnixMilliseconds at, std::string_view bytes, std::string_view parts,
                      const Question& question, Visit&& visit) {
    read_parts(parts, sequence, at, static_cast<std::int64_t>(bytes.size()), parts_);
    std::size_t offset = question.newest_first ? bytes.size() : 0;
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      const EventPart& part = parts_[question.newest_first ? parts_.size() - 1 - i : i];
      const auto size = static_cast<std::size_t>(part.size);
      if (question.newest_first) offset -= size;
      const bool is_asked_for = part.sequence > question.from && part.sequence <= question.to;
      if (is_asked_for && !visit(part, bytes.substr(offset, size))) return false;
      if (!question.newest_first) offset += size;
    }
    return true;
  }
  void take(TrackEvent&& event, std::string_view bytes, UnixMilliseconds now, TrackCache::Found& found) const;

  const std::string file_;
  const UnixMilliseconds max_age_;
  SqliteConnection connection_;
  SqliteConnection mover_;  // for checkpoints
  std::optional<Statements> statements_;
  std::vector<EventPart> parts_;  // of one row; kept for its capacity
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/history_reader.ipp>
#endif
