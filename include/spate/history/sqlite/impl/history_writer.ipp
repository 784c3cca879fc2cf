// The functions of history_writer.hpp: opening, and keeping events.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/history_writer.hpp>
#include <spate/history/sqlite/detail/schema.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL HistoryWriter::HistoryWriter(const SqliteOptions& options, Opened& opened)
    : options_(options), lock_(options.file) {
  try {
    make_private(options_.file);
    connection_ = SqliteConnection(options_.file, SqliteConnection::Use::make);
    if (sqlite3_db_readonly(connection_.get(), "main") != 0) throw SqliteError(SQLITE_READONLY);
    prepare_schema(connection_, options_.file, sqlite_schema_steps());
    open(opened);
  } catch (const SqliteError& error) {
    const std::string file = "the history file " + quote(options_.file);
    switch (error.code().value() & 0xFF) {
      case SQLITE_NOTADB: throw SqliteFileError(file + " is no database: name another file, or move that one away");
      case SQLITE_CORRUPT:
        throw SqliteFileError(file + " is damaged: restore it, or move it away, and a new history begins");
      case SQLITE_READONLY:
        throw SqliteFileError(file + " cannot be written: let this program write it and its folder");
      case SQLITE_CANTOPEN:
        throw SqliteFileError(file + " cannot be opened: name a file that this program may read and write");
      default: throw SqliteFileError(file + " cannot be used: " + error.code().message());
    }
  }
}

SPATE_DECL void HistoryWriter::prepare() {
  SqliteConnection& on = connection_;
  on.run("PRAGMA wal_autocheckpoint = 0");
  on.run("PRAGMA journal_size_limit = 67108864");
  on.run("PRAGMA cache_size = -16384");
  sqlite3_wal_hook(
      on.get(),
      [](void* self, sqlite3*, const char*, int pages) {
        static_cast<HistoryWriter*>(self)->log_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  commits_full_ = true;
  on.run("PRAGMA synchronous = FULL");
  statements_.emplace(Statements{
      AudienceRows(on),
      on.prepare("BEGIN IMMEDIATE"),
      on.prepare("COMMIT"),
      on.prepare(
          "INSERT INTO events (seq, audience, owners, at, expires, parts, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
      on.prepare("INSERT OR IGNORE INTO entries (audience, seq) VALUES (?1, ?2)"),
      on.prepare("UPDATE state SET newest = ?1, reserved = ?2, events = ?3, bytes = ?4, empty = ?5, discarded = ?6,"
                 " discarded_all = ?7"),
      on.prepare("SELECT seq, at, length(bytes), parts FROM events ORDER BY seq LIMIT 1"),
      on.prepare("SELECT seq, expires FROM events WHERE expires IS NOT NULL ORDER BY expires LIMIT 1"),
      on.prepare("SELECT length(bytes), owners, expires, audience, at, parts FROM events WHERE seq = ?1"),
      on.prepare("DELETE FROM events WHERE seq = ?1"),
      on.prepare("UPDATE events SET parts = substr(parts, ?2 + 1), bytes = substr(bytes, ?3 + 1) WHERE seq = ?1"),
      on.prepare("UPDATE events SET owners = owners - 1 WHERE seq = ?1"),
      on.prepare("DELETE FROM entries WHERE audience = ?1 AND seq = ?2"),
      on.prepare("DELETE FROM entries WHERE audience = ?1 AND seq <= ?2"),
      on.prepare("SELECT entries.seq, length(bytes), owners, expires, events.audience, at, parts FROM entries"
                 " CROSS JOIN events ON events.seq = entries.seq WHERE entries.audience = ?1"
                 " ORDER BY entries.seq LIMIT ?2"),
      on.prepare("SELECT id, events FROM audiences WHERE events > 1 ORDER BY events DESC LIMIT 2"),
      on.prepare("SELECT id, bytes FROM audiences WHERE events > 1 OR bytes > 65536 ORDER BY bytes DESC LIMIT 2"),
  });
  load_totals();
}

SPATE_DECL void HistoryWriter::load_totals() {
  SqliteStatement state =
      connection_.prepare("SELECT newest, reserved, events, bytes, empty, discarded, discarded_all FROM state");
  if (!state.step()) throw SqliteError(SQLITE_CORRUPT);
  totals_.newest = state.number(0);
  totals_.reserved = state.number(1);
  totals_.events = state.integer(2);
  totals_.bytes = state.integer(3);
  totals_.empty = state.integer(4);
  totals_.discarded = state.number(5);
  totals_.discarded_all = state.number(6);
  reserved_ = totals_.reserved;
  // The clock may have been set back: of two events the later one is never older.
  totals_.at = connection_.integer("SELECT at FROM events ORDER BY seq DESC LIMIT 1");
}

SPATE_DECL void HistoryWriter::open(Opened& opened) {
  const std::string boot = boot_id();
  const auto sync = static_cast<std::int64_t>(options_.sync);
  connection_.run("BEGIN IMMEDIATE");
  SqliteStatement make =
      connection_.prepare("INSERT OR IGNORE INTO state VALUES (1, ?1, 0, 0, 0, 0, '', 0, 0, 0, 0, 0)");
  make.bind(1, std::string_view(make_sqlite_epoch())).run();
  SqliteStatement state =
      connection_.prepare("SELECT CAST(epoch AS TEXT), newest, reserved, open, sync, boot, discarded_all FROM state");
  if (!state.step()) throw SqliteError(SQLITE_CORRUPT);
  opened.epoch = epoch_ = state.bytes(0);
  std::uint64_t newest = state.number(1), discarded_all = state.number(6);
  const std::uint64_t reserved = state.number(2);
  const auto last_sync = static_cast<Sync>(state.integer(4));
  if (state.integer(3) != 0) {
    // What was given out after the newest that is here, is not known: it was lost, or failed, or there was none.
    const bool same_boot = !boot.empty() && state.bytes(5) == boot;
    const bool lost = last_sync == Sync::deliver_first || (last_sync == Sync::normal && !same_boot);
    if (reserved > newest) {
      connection_.prepare("INSERT INTO holes (first, last) VALUES (?1, ?2)")
          .bind(1, newest + 1)
          .bind(2, reserved)
          .run();
    }
    if (lost) discarded_all = std::max(discarded_all, reserved);
    newest = std::max(newest, reserved) + 1;
  }
  state.reset();
  // Of so many one forgets the oldest; for who comes with a cursor of that time, something may then be missing.
  constexpr std::int64_t max_holes = 1024;
  SqliteStatement surplus = connection_.prepare("SELECT last FROM holes ORDER BY first DESC LIMIT 1 OFFSET ?1");
  if (surplus.bind(1, max_holes).step()) {
    const std::uint64_t last = surplus.number(0);
    surplus.reset();
    discarded_all = std::max(discarded_all, last);
    connection_.prepare("DELETE FROM holes WHERE last <= ?1").bind(1, last).run();
  }
  SqliteStatement set = connection_.prepare(
      "UPDATE state SET newest = ?1, reserved = ?2, open = 1, sync = ?3, boot = ?4, discarded_all = ?5");
  set.bind(1, newest)
      .bind(2, newest + block)
      .bind(3, sync)
      .bind(4, std::string_view(boot))
      .bind(5, discarded_all)
      .run();
  connection_.run("COMMIT");
  prepare();
  opened.newest = newest;
  opened.discarded = totals_.discarded;
  opened.discarded_all = discarded_all;
  SqliteStatement holes = connection_.prepare("SELECT first, last FROM holes ORDER BY first");
  while (holes.step()) opened.holes.emplace_back(holes.number(0), holes.number(1));
  SqliteStatement lengths = connection_.prepare("SELECT length FROM lengths ORDER BY length");
  while (lengths.step()) opened.lengths.push_back(static_cast<std::size_t>(lengths.integer(0)));
  find_next_moment();
}

// Opens the file again after something failed.
SPATE_DECL void HistoryWriter::connect() {
  if (connection_) return;
  connection_ = SqliteConnection(options_.file, SqliteConnection::Use::write);
  try {
    // A file that is another one now, or none, is not taken for this one.
    if (connection_.integer("PRAGMA application_id") != sqlite_application_id) throw SqliteError(SQLITE_NOTADB);
    SqliteStatement state = connection_.prepare("SELECT CAST(epoch AS TEXT) FROM state");
    if (!state.step() || state.bytes(0) != epoch_) throw SqliteError(SQLITE_NOTADB);
    state.reset();
    prepare();
  } catch (...) {
    roll_back();
    throw;
  }
}

SPATE_DECL void HistoryWriter::begin(bool full) {
  connect();
  if (full != commits_full_) {
    connection_.run(full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    commits_full_ = full;
  }
  statements_->begin.run();
}

SPATE_DECL void HistoryWriter::roll_back() noexcept {
  for (; open_packs_ > 0; --open_packs_) packs_[open_packs_ - 1].clear();
  statements_.reset();
  connection_ = SqliteConnection();
}

SPATE_DECL void HistoryWriter::commit() {
  statements_->commit.run();
  reserved_ = totals_.reserved;
}

SPATE_DECL bool HistoryWriter::keep(std::span<const PendingEvent> events, std::vector<Trimmed>& trimmed) {
  const std::uint64_t newest = events.back().sequence();
  bool asked = false;
  try {
    connect();
    // Numbers must be reserved on the disk before anybody hears of them.
    const bool reserves = newest + block / 2 > totals_.reserved;
    begin(reserves || options_.sync == Sync::full);
    undo();
    std::int64_t brought = 0;
    for (const PendingEvent& event : events) brought += insert(event);
    write_packs();
    totals_.newest = newest;
    if (reserves) totals_.reserved = newest + block;
    totals_.empty += statements_->audiences.write();
    Budget budget(2 * brought + 8, {});
    untidy_ = trim(budget);
    write_totals();
    asked = true;
    commit();
  } catch (const SqliteError& error) {
    const int code = error.code().value();
    roll_back();
    if (!asked || !took_place(newest)) throw;
    if (code != SQLITE_IOERR_FSYNC && code != SQLITE_IOERR_DIR_FSYNC) return false;
    // It is in the file, and nobody knows whether it is on the disk: a second call that succeeds would not say so.
    undo_ = {events.front().sequence(), newest};
    try {
      begin(false);
      undo();
      write_totals();
      commit();
      undo_.reset();
    } catch (...) {
      roll_back();  // with the next transaction, then
    }
    throw;
  } catch (...) {
    roll_back();
    throw;
  }
  undo_.reset();
  report(trimmed);
  constexpr unsigned many_commits = 256;
  if (++commits_ >= many_commits) untidy_ = true;
  return true;
}

// Takes out what was said not to be kept, and is in the file all the same.
SPATE_DECL void HistoryWriter::undo() {
  if (!undo_) return;
  std::vector<std::uint64_t> sequences;
  {
    SqliteStatement find = connection_.prepare("SELECT seq FROM events WHERE seq BETWEEN ?1 AND ?2");
    find.bind(1, undo_->first).bind(2, undo_->second);
    while (find.step()) sequences.push_back(find.number(0));
  }
  for (const std::uint64_t sequence : sequences) drop(read_event(sequence), false);
  totals_.empty += statements_->audiences.write();
}

// A commit that is reported to have failed: the file says whether it has.
SPATE_DECL bool HistoryWriter::took_place(std::uint64_t newest) noexcept {
  try {
    connect();
    return totals_.newest == newest;
  } catch (...) {
    return false;
  }
}

SPATE_DECL std::int64_t HistoryWriter::insert(const PendingEvent& pending) {
  const TrackEvent& event = pending.event;
  switch (pending.what) {
    case PendingEvent::What::nothing:
    case PendingEvent::What::refuse: return 0;
    case PendingEvent::What::skip: totals_.discarded_all = std::max(totals_.discarded_all, event.sequence); return 0;
    case PendingEvent::What::discard: discard(pending); return 1;
    case PendingEvent::What::keep: break;
  }
  const bool is_small = event.event.bytes().size() <= EventPack::max_event_bytes;
  if (!pending.several && event.expires == 0 && is_small) {
    insert_packed(pending);
    return 1;
  }
  Statements& use = *statements_;
  owners_.clear();
  pending.for_each_track([&](TrackName name) {
    AudienceRow& row = use.audiences.of(name);
    write_pack(row);  // what came before it in this track
    use.insert_entry.bind(1, row.id).bind(2, event.sequence).run();
    if (connection_.changes() > 0) owners_.push_back(&row);  // it may be named twice
  });
  if (owners_.empty()) return 0;
  const std::string_view bytes = event.event.bytes();
  const std::int64_t cost = cost_of(static_cast<std::int64_t>(bytes.size()));
  const auto owners = static_cast<std::int64_t>(owners_.size());
  for (AudienceRow* row : owners_) {
    row->events += 1;
    row->bytes += cost / owners + entry_cost;
    use.audiences.change(*row);
  }
  totals_.at = std::max(totals_.at, event.at);
  use.insert_event.bind(1, event.sequence).bind(3, owners).bind(4, totals_.at).bind_null(6).bind(7, bytes);
  if (pending.several) {
    ids_.clear();
    for (const AudienceRow* row : owners_) ids_.push_back(row->id);
    use.insert_event.bind(2, {reinterpret_cast<const char*>(ids_.data()), ids_.size() * sizeof(std::int64_t)});
  } else {
    use.insert_event.bind(2, owners_.front()->id);
  }
  event.expires == 0 ? use.insert_event.bind_null(5) : use.insert_event.bind(5, event.expires);
  use.insert_event.run();
  totals_.events += 1;
  totals_.bytes += cost + owners * entry_cost;
  const UnixMilliseconds max_age = options_.limits.max_age.count();
  if (event.expires != 0 && (!tidy_at_ || event.expires < *tidy_at_)) tidy_at_ = event.expires;
  if (max_age > 0 && !tidy_at_) tidy_at_ = later(event.at, max_age);
  return owners;
}

// It shares a row with others of its audience, written when that is full, or with the transaction.
SPATE_DECL void HistoryWriter::insert_packed(const PendingEvent& pending) {
  const TrackEvent& event = pending.event;
  const std::string_view bytes = event.event.bytes();
  AudienceRow& row = statements_->audiences.of(static_cast<TrackName>(pending.track));
  if (row.pack == 0) {
    if (open_packs_ == packs_.size()) packs_.emplace_back();
    packs_[open_packs_].row = &row;
    row.pack = ++open_packs_;
  }
  EventPack& pack = packs_[row.pack - 1];
  if (!pack.has_room_for(bytes)) write_pack(row);
  totals_.at = std::max(totals_.at, event.at);
  pack.add(event.sequence, totals_.at, bytes);
  const std::int64_t cost = cost_of(static_cast<std::int64_t>(bytes.size())) + entry_cost;
  row.events += 1;
  row.bytes += cost;
  statements_->audiences.change(row);
  totals_.events += 1;
  totals_.bytes += cost;
  const UnixMilliseconds max_age = options_.limits.max_age.count();
  if (max_age > 0 && !tidy_at_) tidy_at_ = later(event.at, max_age);
}

SPATE_DECL void HistoryWriter::write_pack(AudienceRow& row) {
  if (row.pack == 0) return;
  EventPack& pack = packs_[row.pack - 1];
  if (pack.parts.empty()) return;
  Statements& use = *statements_;
  const EventPart& last = pack.parts.back();
  use.insert_entry.bind(1, row.id).bind(2, last.sequence).run();
  use.insert_event.bind(1, last.sequence).bind(2, row.id).bind(3, std::int64_t{1}).bind(4, last.at).bind_null(5);
  pack.parts.size() == 1 ? use.insert_event.bind_null(6) : use.insert_event.bind(6, pack.part_bytes());
  use.insert_event.bind(7, std::string_view(pack.bytes)).run();
  pack.clear();
}

// In the order of their numbers, so that each is put behind the one before it.
SPATE_DECL void HistoryWriter::write_packs() {
  const auto number_of = [](const EventPack& pack) { return pack.parts.empty() ? 0 : pack.parts.back().sequence; };
  const auto end = packs_.begin() + static_cast<std::ptrdiff_t>(open_packs_);
  std::sort(packs_.begin(), end, [&](const EventPack& a, const EventPack& b) { return number_of(a) < number_of(b); });
  for (std::size_t at = 0; at < open_packs_; ++at) {
    AudienceRow& row = *packs_[at].row;
    row.pack = at + 1;
    write_pack(row);
    row.pack = 0;
  }
  open_packs_ = 0;
}

// An event that is larger than all that may be kept: its audience alone misses it.
SPATE_DECL void HistoryWriter::discard(const PendingEvent& pending) {
  pending.for_each_track([&](TrackName name) {
    AudienceRow& row = statements_->audiences.of(name);
    row.discarded = std::max(row.discarded, pending.sequence());
    totals_.discarded = std::max(totals_.discarded, row.discarded);
    statements_->audiences.change(row);
  });
}

SPATE_DECL void HistoryWriter::write_totals() {
  totals_.discarded_all = std::max(totals_.discarded_all, lost_);
  SqliteStatement& state = statements_->state;
  state.bind(1, totals_.newest).bind(2, totals_.reserved).bind(3, totals_.events).bind(4, totals_.bytes);
  state.bind(5, totals_.empty).bind(6, totals_.discarded).bind(7, totals_.discarded_all).run();
}

SPATE_DECL void HistoryWriter::report(std::vector<Trimmed>& trimmed) {
  statements_->audiences.settle([&](const AudienceRow& row) {
    trimmed.push_back({{row.kind, row.name}, row.trimmed, row.discarded});
  });
}

SPATE_DECL void HistoryWriter::close(std::uint64_t newest) {
  begin(true);
  undo();
  totals_.newest = newest;
  write_totals();
  connection_.run("UPDATE state SET open = 0");
  commit();
  statements_.reset();
  connection_ = SqliteConnection();
}

SPATE_DECL void HistoryWriter::checkpoint() {
  if (!connection_) return;
  // What it does not move, as somebody reads it, the next one will.
  sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  log_pages_ = 0;
}

}  // namespace spate::detail
