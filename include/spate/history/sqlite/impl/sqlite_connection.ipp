// The functions of sqlite_connection.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_connection.hpp>

namespace spate::detail {

SPATE_DECL SqliteStatement::SqliteStatement(sqlite3* database, std::string_view text) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(database, text.data(), static_cast<int>(text.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) throw SqliteError(code);
}

SPATE_DECL bool SqliteStatement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  reset();
  throw SqliteError(code);
}

SPATE_DECL void SqliteStatement::run() {
  while (step()) {
  }
  reset();
}

SPATE_DECL SqliteConnection::SqliteConnection(const std::string& file, Use use) {
  const int access = use == Use::read    ? SQLITE_OPEN_READONLY
                     : use == Use::write ? SQLITE_OPEN_READWRITE
                                         : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* database = nullptr;
  const int code =
      sqlite3_open_v2(file.c_str(), &database, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, nullptr);
  database_.reset(database);
  if (database == nullptr) throw SqliteError(SQLITE_NOMEM);
  sqlite3_extended_result_codes(database, 1);
  if (code != SQLITE_OK) throw SqliteError(sqlite3_extended_errcode(database));
  // Another program that looks into the file, or copies it, may hold it for a moment.
  sqlite3_busy_timeout(database, 2000);
}

SPATE_DECL void SqliteConnection::run(const char* text) {
  if (const int code = sqlite3_exec(database_.get(), text, nullptr, nullptr, nullptr); code != SQLITE_OK)
    throw SqliteError(code);
}

SPATE_DECL std::int64_t SqliteConnection::integer(std::string_view text) {
  SqliteStatement statement = prepare(text);
  return statement.step() ? statement.integer(0) : 0;
}

}  // namespace spate::detail
