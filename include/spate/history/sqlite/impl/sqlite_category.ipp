// The functions of sqlite_options.hpp.
#pragma once

#include <sqlite3.h>

#include <spate/config.hpp>
#include <spate/history/sqlite_options.hpp>

namespace spate::detail {

class SqliteCategory final : public std::error_category {
 public:
  const char* name() const noexcept override { return "spate.sqlite"; }
  SPATE_DECL std::string message(int code) const override;
};

SPATE_DECL std::string SqliteCategory::message(int code) const {
  switch (code) {
    case static_cast<int>(SqliteErrc::queue_full): return "too many events wait to be written to the history file";
    case static_cast<int>(SqliteErrc::forked):
      return "the history file belongs to the process that this one was forked from";
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC: return "the disk of the history file does not confirm what is written";
    default: break;
  }
  switch (code & 0xFF) {
    case SQLITE_FULL: return "the disk of the history file is full";
    case SQLITE_IOERR: return "reading or writing the history file failed";
    case SQLITE_READONLY: return "the history file cannot be written";
    case SQLITE_CORRUPT: return "the history file is damaged";
    case SQLITE_NOTADB: return "the history file is no database";
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "another program has locked the history file";
    case SQLITE_CANTOPEN: return "the history file cannot be opened";
    case SQLITE_PERM:
    case SQLITE_AUTH: return "the history file may not be used";
    case SQLITE_NOMEM: return "there is no memory for the history file";
    case SQLITE_TOOBIG: return "an event is too large for the history file";
    default: return std::string("the history file failed: ") + sqlite3_errstr(code);
  }
}

}  // namespace spate::detail

namespace spate {

SPATE_DECL const std::error_category& sqlite_category() noexcept {
  static const detail::SqliteCategory category;
  return category;
}

}  // namespace spate
