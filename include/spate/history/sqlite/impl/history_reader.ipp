// The functions of history_reader.hpp.
#pragma once

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/history_reader.hpp>
#include <spate/history/sqlite/detail/schema.hpp>

namespace spate::detail {

SPATE_DECL void HistoryReader::close() noexcept {
  statements_.reset();
  connection_ = SqliteConnection();
  mover_ = SqliteConnection();
}

SPATE_DECL void HistoryReader::checkpoint() noexcept {
  try {
    if (!mover_) {
      mover_ = SqliteConnection(file_, SqliteConnection::Use::write);
      // Before pages are overwritten, what they are overwritten with must be on the disk.
      mover_.run("PRAGMA synchronous = NORMAL");
    }
    sqlite3_wal_checkpoint_v2(mover_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  } catch (const std::exception&) {
    mover_ = SqliteConnection();  // the writer does it, then
  }
}

SPATE_DECL void HistoryReader::connect() {
  if (connection_) return;
  connection_ = SqliteConnection(file_, SqliteConnection::Use::read);
  connection_.run("PRAGMA cache_size = -4096");
  // A row has the number of its last event: that of the last row may be greater than what is asked for.
  const std::string range =
      "entries.audience = ?1 AND entries.seq > ?2 AND entries.seq <= ifnull((SELECT seq FROM entries AS last"
      " WHERE last.audience = ?1 AND last.seq >= ?3 ORDER BY last.seq LIMIT 1), ?3) ORDER BY entries.seq ";
  const std::string rows =
      "SELECT entries.seq, at, expires, bytes, parts FROM entries CROSS JOIN events ON events.seq = entries.seq "
      "WHERE " +
      range;
  statements_.emplace(Statements{
      connection_.prepare("SELECT id, discarded FROM audiences WHERE kind = ?1 AND name = ?2"),
      connection_.prepare("SELECT discarded FROM marks WHERE place = ?1"), connection_.prepare(rows + "ASC"),
      connection_.prepare(rows + "DESC"), connection_.prepare("SELECT seq FROM entries WHERE " + range + "LIMIT ?4"),
      connection_.prepare("SELECT at, expires, bytes, parts FROM events WHERE seq = ?1")});
}

SPATE_DECL TrackCache::Found HistoryReader::read(const Question& question) noexcept {
  TrackCache::Found found;
  // Where a page of the file is damaged, what stands on others is read all the same, one event after the other.
  for (const auto how : {&HistoryReader::read_rows, &HistoryReader::read_one_by_one}) {
    found = TrackCache::Found();
    found.from = question.from;
    found.to = question.to;
    try {
      connect();
      if (sqlite3_get_autocommit(connection_.get()) != 0) connection_.run("BEGIN");
      (this->*how)(question, found);
      return found;
    } catch (const std::exception&) {
      close();
    }
  }
  found.events.clear();
  found.from = question.from;
  found.to = question.to;
  found.lost = true;
  found.unreadable = question.to;
  found.knows_discarded = false;
  return found;
}

SPATE_DECL void HistoryReader::end() noexcept {
  if (!connection_ || sqlite3_get_autocommit(connection_.get()) != 0) return;
  // Nothing was changed; and after a damaged page one cannot commit.
  if (sqlite3_exec(connection_.get(), "ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_OK) close();
}

// Returns 0 when there is none.
SPATE_DECL std::int64_t HistoryReader::find_audience(TrackName name, TrackCache::Found& found) {
  SqliteStatement& find = statements_->audience;
  find.bind(1, static_cast<std::int64_t>(name.kind)).bind(2, name.name);
  if (SqliteRows rows(find); rows.next()) {
    found.discarded = find.number(1);
    return find.integer(0);
  }
  SqliteStatement& mark = statements_->mark;
  mark.bind(1, mark_place(name));
  if (SqliteRows rows(mark); rows.next()) found.discarded = mark.number(0);
  return 0;
}

SPATE_DECL void HistoryReader::read_rows(const Question& question, TrackCache::Found& found) {
  const std::int64_t audience = find_audience(static_cast<TrackName>(question.track), found);
  if (audience == 0) return;
  const UnixMilliseconds now = wall_time();
  SqliteStatement& each = question.newest_first ? statements_->backward : statements_->forward;
  each.bind(1, audience).bind(2, question.from).bind(3, question.to);
  std::size_t bytes = 0;
  bool goes_on = true;
  for (SqliteRows rows(each); goes_on && rows.next();) {
    goes_on = for_each_event(each.number(0), each.integer(1), each.bytes(3), each.bytes(4), question,
                             [&](const EventPart& part, std::string_view stored) {
                               if (bytes > 0 && bytes + stored.size() > question.bytes) {
                                 if (question.newest_first) {
                                   found.from = part.sequence;
                                 } else {
                                   found.to = part.sequence - 1;
                                 }
                                 return false;
                               }
                               // What is not taken has been read all the same: of that there may be much, and others
                               // wait.
                               bytes += stored.size();
                               take({part.sequence, part.at, each.integer(2), {}}, stored, now, found);
                               return true;
                             });
  }
  if (question.newest_first) std::reverse(found.events.begin(), found.events.end());
}

SPATE_DECL void HistoryReader::read_one_by_one(const Question& question, TrackCache::Found& found) {
  constexpr std::int64_t at_a_time = 256;
  const std::int64_t audience = find_audience(static_cast<TrackName>(question.track), found);
  if (audience == 0) return;
  const UnixMilliseconds now = wall_time();
  std::vector<std::uint64_t> sequences;
  SqliteStatement& entries = statements_->entries;
  entries.bind(1, audience).bind(2, question.from).bind(3, question.to).bind(4, at_a_time);
  for (SqliteRows rows(entries); rows.next();) sequences.push_back(entries.number(0));
  // Backwards it begins at the end, and need not end here.
  const bool all = static_cast<std::int64_t>(sequences.size()) < at_a_time;
  if (!all && question.newest_first) throw SqliteError(SQLITE_CORRUPT);
  if (!all) found.to = std::min(found.to, sequences.back());
  for (const std::uint64_t sequence : sequences) {
    SqliteStatement& event = statements_->event;
    try {
      event.bind(1, sequence);
      SqliteRows rows(event);
      if (!rows.next()) throw SqliteError(SQLITE_CORRUPT);
      for_each_event(sequence, event.integer(0), event.bytes(2), event.bytes(3), question,
                     [&](const EventPart& part, std::string_view stored) {
                       take({part.sequence, part.at, event.integer(1), {}}, stored, now, found);
                       return true;
                     });
    } catch (const SqliteError&) {
      found.unreadable = std::max(found.unreadable, std::min(sequence, found.to));
    }
  }
}

// Takes it if it is one to replay.
SPATE_DECL void HistoryReader::take(TrackEvent&& event, std::string_view bytes, UnixMilliseconds now,
                                    TrackCache::Found& found) const {
  if (event.expired(now)) return;
  if (max_age_ > 0 && now - event.at >= max_age_) {
    // Still here, and too old: as if it had been taken out.
    found.unreadable = std::max(found.unreadable, event.sequence);
    return;
  }
  try {
    event.event = EncodedEvent::from_bytes(bytes);
  } catch (const std::invalid_argument&) {
    found.unreadable = std::max(found.unreadable, event.sequence);
    return;
  }
  found.events.push_back(std::move(event));
}

}  // namespace spate::detail
