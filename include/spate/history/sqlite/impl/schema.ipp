// The functions of schema.hpp.
#pragma once

#include <array>
#include <charconv>
#include <chrono>
#include <fstream>
#include <random>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/schema.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

SPATE_DECL std::span<const char* const> sqlite_schema_steps() noexcept {
  // Which audience holds most is found by the two indexes, in which those with one small event do not stand: they are
  // the many.
  static constexpr const char* const steps[] = {
      "CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, newest INTEGER NOT NULL,"
      " reserved INTEGER NOT NULL, open INTEGER NOT NULL, sync INTEGER NOT NULL, boot TEXT NOT NULL,"
      " events INTEGER NOT NULL, bytes INTEGER NOT NULL, empty INTEGER NOT NULL, discarded INTEGER NOT NULL,"
      " discarded_all INTEGER NOT NULL);"
      "CREATE TABLE events (seq INTEGER PRIMARY KEY, audience NOT NULL, owners INTEGER NOT NULL, at INTEGER NOT NULL,"
      " expires INTEGER, parts BLOB, bytes BLOB NOT NULL);"
      "CREATE INDEX events_by_expiry ON events (expires) WHERE expires IS NOT NULL;"
      "CREATE TABLE audiences (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, name BLOB NOT NULL,"
      " events INTEGER NOT NULL, bytes INTEGER NOT NULL, discarded INTEGER NOT NULL);"
      "CREATE UNIQUE INDEX audiences_by_name ON audiences (kind, name);"
      "CREATE INDEX audiences_by_events ON audiences (events) WHERE events > 1;"
      "CREATE INDEX audiences_by_bytes ON audiences (bytes) WHERE events > 1 OR bytes > 65536;"
      "CREATE INDEX audiences_empty ON audiences (discarded) WHERE events = 0;"
      "CREATE TABLE entries (audience INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (audience, seq))"
      " WITHOUT ROWID;"
      "CREATE TABLE marks (place INTEGER PRIMARY KEY, discarded INTEGER NOT NULL);"
      "CREATE TABLE lengths (length INTEGER PRIMARY KEY);"
      "CREATE TABLE holes (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);",
  };
  return steps;
}

SPATE_DECL void prepare_schema(SqliteConnection& connection, const std::string& file,
                               std::span<const char* const> steps) {
  const auto refuse = [&](const char* why) { throw SqliteFileError("the history file " + quote(file) + " " + why); };
  const std::int64_t application = connection.integer("PRAGMA application_id");
  std::int64_t version = connection.integer("PRAGMA user_version");
  const bool is_empty = connection.integer("SELECT count(*) FROM sqlite_master") == 0;
  const bool is_new = is_empty && application == 0 && version == 0;
  if (!is_new && application != sqlite_application_id) {
    refuse("is a database of another program: name another file, or move that one away");
  }
  const auto newest = static_cast<std::int64_t>(steps.size());
  if (version < 0 || version > newest) {
    refuse("is of a newer version of this program: use that one, or name another file");
  }
  if (is_new) {
    // Both take effect in a file that has nothing yet.
    connection.run("PRAGMA auto_vacuum = INCREMENTAL");
  }
  SqliteStatement mode = connection.prepare("PRAGMA journal_mode = WAL");
  // Where it cannot, SQLite goes on without it: then who reads and who writes would stop each other.
  if (!mode.step() || mode.bytes(0) != "wal") refuse("can have no write-ahead log: name a file on a local disk");
  mode.reset();
  connection.run("PRAGMA synchronous = FULL");
  for (; version < newest; ++version) {
    connection.run("BEGIN IMMEDIATE");
    try {
      connection.run(steps[static_cast<std::size_t>(version)]);
      const std::string says = "PRAGMA application_id = " + std::to_string(sqlite_application_id) +
                               "; PRAGMA user_version = " + std::to_string(version + 1);
      connection.run(says.c_str());
      connection.run("COMMIT");
    } catch (const SqliteError&) {
      sqlite3_exec(connection.get(), "ROLLBACK", nullptr, nullptr, nullptr);
      throw;
    }
  }
}

SPATE_DECL std::int64_t mark_place(TrackName name) noexcept {
  // FNV-1a.
  std::uint64_t hash = 0xCBF29CE484222325;
  const auto mix = [&hash](unsigned char byte) { hash = (hash ^ byte) * 0x100000001B3; };
  mix(static_cast<unsigned char>(name.kind));
  for (const char each : name.name) mix(static_cast<unsigned char>(each));
  constexpr std::uint64_t places = 32 * 1024;
  return static_cast<std::int64_t>((hash ^ (hash >> 32)) % places);
}

SPATE_DECL std::string make_sqlite_epoch() {
  // The moment, so that epochs differ over time, and what nobody else draws at that moment.
  std::random_device source;
  const std::uint64_t random = (static_cast<std::uint64_t>(source()) << 8) ^ source();
  std::array<char, 32> digits{};
  char* end = std::to_chars(digits.data(), digits.data() + 16, wall_time(), 36).ptr;
  end = std::to_chars(end, digits.data() + digits.size(), random, 36).ptr;
  return std::string(digits.data(), end);
}

SPATE_DECL std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

}  // namespace spate::detail
