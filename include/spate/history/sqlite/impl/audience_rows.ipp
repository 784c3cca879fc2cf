// The functions of audience_rows.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/audience_rows.hpp>
#include <spate/history/sqlite/detail/schema.hpp>

namespace spate::detail {

SPATE_DECL AudienceRows::AudienceRows(SqliteConnection& connection)
    : find_(connection.prepare("SELECT id, events, bytes, discarded FROM audiences WHERE kind = ?1 AND name = ?2")),
      find_id_(connection.prepare("SELECT kind, name, events, bytes, discarded FROM audiences WHERE id = ?1")),
      mark_(connection.prepare("SELECT discarded FROM marks WHERE place = ?1")),
      insert_(connection.prepare("INSERT INTO audiences (id, kind, name, events, bytes, discarded)"
                                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6)")),
      update_(connection.prepare("UPDATE audiences SET events = ?2, bytes = ?3, discarded = ?4 WHERE id = ?1")),
      erase_(connection.prepare("DELETE FROM audiences WHERE id = ?1")),
      add_length_(connection.prepare("INSERT OR IGNORE INTO lengths (length) VALUES (?1)")),
      oldest_empty_(connection.prepare("SELECT id FROM audiences WHERE events = 0 ORDER BY discarded LIMIT ?1")),
      raise_mark_(connection.prepare("INSERT INTO marks (place, discarded) VALUES (?1, ?2)"
                                     " ON CONFLICT (place) DO UPDATE SET discarded = max(discarded, ?2)")),
      next_id_(connection.integer("SELECT max(id) FROM audiences") + 1) {}

SPATE_DECL std::string AudienceRows::key_of(TrackName name) {
  std::string key(1, static_cast<char>(name.kind));
  return key.append(name.name);
}

SPATE_DECL AudienceRow& AudienceRows::insert(AudienceRow&& row) {
  std::string key = key_of({row.kind, row.name});
  row.said = row.discarded;
  AudienceRow& made = rows_[std::move(key)] = std::move(row);
  by_id_[made.id] = &made;
  return made;
}

SPATE_DECL AudienceRow& AudienceRows::of(TrackName name) {
  key_.assign(1, static_cast<char>(name.kind)).append(name.name);
  if (const auto known = rows_.find(key_); known != rows_.end()) return known->second;
  AudienceRow row;
  row.kind = name.kind;
  row.name = name.name;
  find_.bind(1, static_cast<std::int64_t>(name.kind)).bind(2, name.name);
  if (SqliteRows rows(find_); rows.next()) {
    row.id = find_.integer(0);
    row.events = find_.integer(1);
    row.bytes = find_.integer(2);
    row.discarded = find_.number(3);
    row.stored = true;
    row.was_empty = row.events == 0;
    return insert(std::move(row));
  }
  // One that is not here may have been, and lost something.
  mark_.bind(1, mark_place(name));
  if (SqliteRows rows(mark_); rows.next()) row.discarded = mark_.number(0);
  row.id = next_id_++;
  if (name.kind == TrackKind::group) add_length_.bind(1, static_cast<std::int64_t>(name.name.size())).run();
  return insert(std::move(row));
}

SPATE_DECL AudienceRow* AudienceRows::find(std::int64_t id) {
  if (const auto known = by_id_.find(id); known != by_id_.end()) return known->second;
  find_id_.bind(1, id);
  SqliteRows rows(find_id_);
  if (!rows.next()) return nullptr;
  AudienceRow row;
  row.id = id;
  row.kind = static_cast<TrackKind>(find_id_.integer(0));
  row.name = find_id_.bytes(1);
  row.events = find_id_.integer(2);
  row.bytes = find_id_.integer(3);
  row.discarded = find_id_.number(4);
  row.stored = true;
  row.was_empty = row.events == 0;
  return &insert(std::move(row));
}

SPATE_DECL std::int64_t AudienceRows::write() {
  std::int64_t more_empty = 0;
  for (AudienceRow* row : changed_) {
    // Of one that has nothing and lost nothing there is nothing to remember.
    const bool remembered = row->events > 0 || row->discarded > 0;
    if (remembered && row->stored) {
      update_.bind(1, row->id).bind(2, row->events).bind(3, row->bytes).bind(4, row->discarded).run();
    } else if (remembered) {
      insert_.bind(1, row->id).bind(2, static_cast<std::int64_t>(row->kind)).bind(3, std::string_view(row->name));
      insert_.bind(4, row->events).bind(5, row->bytes).bind(6, row->discarded).run();
    } else if (row->stored) {
      erase_.bind(1, row->id).run();
    }
    const bool is_empty = remembered && row->events == 0;
    more_empty += static_cast<int>(is_empty) - static_cast<int>(row->was_empty);
    row->stored = remembered;
    row->was_empty = is_empty;
    row->changed = false;
    written_.push_back(row);
  }
  changed_.clear();
  return more_empty;
}

SPATE_DECL std::int64_t AudienceRows::forget_empty(std::int64_t count) {
  std::vector<std::int64_t> ids;
  oldest_empty_.bind(1, count);
  for (SqliteRows rows(oldest_empty_); rows.next();) ids.push_back(oldest_empty_.integer(0));
  for (const std::int64_t id : ids) {
    AudienceRow& row = *find(id);
    raise_mark_.bind(1, mark_place({row.kind, row.name})).bind(2, row.discarded).run();
    erase_.bind(1, id).run();
    // The next event for it makes it anew, with the mark.
    row.stored = row.was_empty = false;
  }
  return static_cast<std::int64_t>(ids.size());
}

}  // namespace spate::detail
