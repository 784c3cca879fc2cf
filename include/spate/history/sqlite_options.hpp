// What a SqliteReplayStore is told, what it tells, and how it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#include <spate/config.hpp>
#include <spate/history/replay_limits.hpp>

namespace spate {

struct SqliteOptions {
  /// What has to be done for an event before it is delivered and who awaits it is told.
  enum class Sync : std::uint8_t {
    /// It is on the disk, and survives a power failure. Costs the disk's time to write for each commit.
    full,
    /// It is with the kernel, and survives the end of the process. A power failure may take back the last moments:
    /// then everybody is told of a gap.
    normal,
    /// Nothing. The end of the process may take back the last moments, which were delivered already: then everybody is
    /// told of a gap, and no id is given out again.
    deliver_first,
  };

  /// The database; made when there is none, for this user alone to read and write.
  std::string file;
  Sync sync = Sync::full;
  /// Those of the database. `max_bytes` counts what it takes in the file, some 100 bytes for each event besides its
  /// own.
  ReplayLimits limits;
  /// Memory for what was read, or sent while somebody reads, to be replayed again without reading. At least 1 MiB.
  std::size_t max_cache_bytes = 64 * 1024 * 1024;
  /// Memory for events that wait to be written. What comes beyond it, as the disk is slow, is refused
  /// (`SqliteErrc::queue_full`).
  std::size_t max_pending_bytes = 64 * 1024 * 1024;
};

/// Why an event is not kept: the result codes of SQLite, and these. Seen by who awaits a send.
enum class SqliteErrc {
  /// More waits to be written than `SqliteOptions::max_pending_bytes`. Send again later.
  queue_full = -1,
  /// This process was forked from the one that has the file.
  forked = -2,
};

/// The category of SqliteErrc and of SQLite's result codes; its messages say what is wrong with the file, and never
/// where it lies. Threads: any. Lifetime: static.
SPATE_DECL const std::error_category& sqlite_category() noexcept;

inline std::error_code make_error_code(SqliteErrc code) noexcept {
  return {static_cast<int>(code), sqlite_category()};
}

/// Thrown when a file cannot be used; says what to do.
class SqliteFileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// How a store is.
struct SqliteStatus {
  /// Whether the last commit succeeded.
  bool well = true;
  /// Otherwise why not; never a path.
  std::string reason;
  std::uint64_t kept = 0;     // events in the file
  std::uint64_t stored = 0;   // events that this store has put there
  std::uint64_t failed = 0;   // events that it could not put there
  std::uint64_t commits = 0;  // transactions that held events
  std::size_t pending_bytes = 0;
  std::size_t cached_bytes = 0;
};

}  // namespace spate

template <>
struct std::is_error_code_enum<spate::SqliteErrc> : std::true_type {};

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/sqlite_category.ipp>
#endif
