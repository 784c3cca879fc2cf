// FileLock: one process alone has a file, as long as this lives.
//
// It is the lock of another file, beside it: SQLite's own locks are lost when any descriptor of the database is closed.
#pragma once

#include <string>
#include <utility>

#include <spate/config.hpp>

namespace spate::detail {

/// The same file by the one name that all who open it come to, whatever links lead to it, and wherever the process goes
/// meanwhile. Throws SqliteFileError when there are too many links.
SPATE_DECL std::string real_name(const std::string& file);

/// Makes the file for this user alone, unless there is one: SQLite lets everybody read what it makes.
SPATE_DECL void make_private(const std::string& file) noexcept;

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
