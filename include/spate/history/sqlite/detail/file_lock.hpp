// FileLock: one process alone has a file, as long as this lives.
//
// It is the lock of another file, beside it: SQLite's own locks are lost when any descriptor of the database is closed.
#pragma once

#include <string>
#include <utility>

#include <spate/config.hpp>

namespace spate::detail {

class FileLock {
 public:
  /// Throws SqliteFileError when another has it, or the lock cannot be made.
  SPATE_DECL explicit FileLock(const std::string& file);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  SPATE_DECL ~FileLock();

 private:
  int descriptor_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/file_lock.ipp>
#endif
