// AudienceRows: the rows of `audiences` that the writer works with: read when they are first needed, written once for
// each transaction.
//
// The writer's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_connection.hpp>
#include <spate/history/sqlite/detail/track.hpp>

namespace spate::detail {

struct AudienceRow {
  std::int64_t id = 0;
  TrackKind kind = TrackKind::everybody;
  std::string name;
  std::int64_t events = 0;
  std::int64_t bytes = 0;
  std::uint64_t discarded = 0;
  std::uint64_t said = 0;     // of `discarded`, to those who have not read it
  std::uint64_t trimmed = 0;  // in this transaction: nothing up to there is kept
  bool stored = false;        // it is in the table
  bool was_empty = false;     // there, and without events
  bool changed = false;
  std::size_t pack = 0;  // in this transaction: which row of events is being filled for it, counted from 1
};

class AudienceRows {
 public:
  AudienceRows() = default;
  SPATE_DECL explicit AudienceRows(SqliteConnection& connection);

  /// The row of `name`, made when there is none.
  AudienceRow& of(TrackName name);
  /// The row `id`; null when there is none.
  AudienceRow* find(std::int64_t id);

  void change(AudienceRow& row) {
    if (!row.changed) changed_.push_back(&row);
    row.changed = true;
  }

  /// Writes what has changed. Returns by how many there are more without events.
  std::int64_t write();

  /// Puts up to `count` rows without events into `marks`. Returns how many.
  std::int64_t forget_empty(std::int64_t count);

  /// Visits those of which something was discarded since this was last called, and forgets most when there is much.
  template <typename Visit>
  void settle(Visit&& visit) {
    for (AudienceRow* row : written_) {
      if (row->trimmed > 0 || row->discarded > row->said) visit(*row);
      row->said = row->discarded;
      row->trimmed = 0;
    }
    written_.clear();
    if (rows_.size() > max_rows) {
      rows_.clear();
      by_id_.clear();
    }
  }

 private:
  static constexpr std::size_t max_rows = 32 * 1024;

  AudienceRow& insert(AudienceRow&& row);
  static std::string key_of(TrackName name);

  SqliteStatement find_, find_id_, mark_, insert_, update_, erase_, add_length_, oldest_empty_, raise_mark_;
  std::unordered_map<std::string, AudienceRow> rows_;
  std::unordered_map<std::int64_t, AudienceRow*> by_id_;
  std::vector<AudienceRow*> changed_;
  std::vector<AudienceRow*> written_;
  std::string key_;  // of one search
  std::int64_t next_id_ = 1;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/audience_rows.ipp>
#endif
