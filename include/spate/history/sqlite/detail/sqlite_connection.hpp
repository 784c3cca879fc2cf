// SqliteConnection and SqliteStatement: a database that is open, and what it is asked; errors are thrown.
//
//   SqliteStatement& insert = ...;
//   insert.bind(1, sequence).bind(2, bytes).run();
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sqlite3.h>

#include <spate/config.hpp>
#include <spate/history/sqlite_options.hpp>

namespace spate::detail {

/// A call of SQLite failed; the code is one of `sqlite_category`.
class SqliteError : public std::system_error {
 public:
  explicit SqliteError(int code) : std::system_error(std::error_code(code, sqlite_category())) {}
};

class SqliteStatement {
 public:
  SqliteStatement() = default;
  SPATE_DECL SqliteStatement(sqlite3* database, std::string_view text);

  SqliteStatement& bind(int place, std::int64_t value) {
    return checked(sqlite3_bind_int64(statement_.get(), place, value));
  }
  SqliteStatement& bind(int place, std::uint64_t value) { return bind(place, static_cast<std::int64_t>(value)); }
  SqliteStatement& bind_null(int place) { return checked(sqlite3_bind_null(statement_.get(), place)); }
  /// As bytes, whatever they are. They must live until the statement has run.
  SqliteStatement& bind(int place, std::string_view bytes) {
    // A blob without bytes is one all the same, and not null.
    const char* const data = bytes.empty() ? "" : bytes.data();
    return checked(sqlite3_bind_blob64(statement_.get(), place, data, bytes.size(), SQLITE_STATIC));
  }

  /// Whether there is another row.
  SPATE_DECL bool step();
  /// Ends it, so that it may be bound and run again.
  void reset() noexcept { sqlite3_reset(statement_.get()); }
  /// Runs it, when no row is asked for.
  SPATE_DECL void run();

  std::int64_t integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  bool is_integer(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_INTEGER; }
  /// Until the next step.
  std::string_view bytes(int column) const {
    const void* const data = sqlite3_column_blob(statement_.get(), column);
    return {static_cast<const char*>(data), static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
  };

  SqliteStatement& checked(int code) {
    if (code != SQLITE_OK) throw SqliteError(code);
    return *this;
  }

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Resets a statement of which rows are read when they have been, or reading them failed: one that is not keeps the
/// transaction open.
class SqliteRows {
 public:
  explicit SqliteRows(SqliteStatement& statement) noexcept : statement_(statement) {}
  SqliteRows(const SqliteRows&) = delete;
  SqliteRows& operator=(const SqliteRows&) = delete;
  ~SqliteRows() { statement_.reset(); }

  bool next() { return statement_.step(); }

 private:
  SqliteStatement& statement_;
};

class SqliteConnection {
 public:
  /// A file is made only by the first.
  enum class Use : std::uint8_t { make, write, read };

  SqliteConnection() = default;
  SPATE_DECL SqliteConnection(const std::string& file, Use use);

  explicit operator bool() const noexcept { return database_ != nullptr; }
  sqlite3* get() const noexcept { return database_.get(); }

  /// One statement or several, without rows of interest.
  SPATE_DECL void run(const char* text);
  /// The first column of the first row.
  SPATE_DECL std::int64_t integer(std::string_view text);

  SqliteStatement prepare(std::string_view text) { return {database_.get(), text}; }

  /// The rows that the last statement changed.
  int changes() const noexcept { return sqlite3_changes(database_.get()); }

 private:
  struct Close {
    void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
  };

  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/sqlite_connection.ipp>
#endif
