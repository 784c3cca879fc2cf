// The schema of a history file, and whether a file is one.
//
//   state       one row: the epoch, what has been given out, totals
//   events      by sequence number: the bytes of the event, and the audience it was for: the number of one, or those of
//               several, eight bytes each; or several events of one audience (event_pack.hpp)
//   audiences   who was sent something: how much of it is kept, and up to where something was discarded
//   entries     which rows of `events` stand in the track of which audience
//   marks       for audiences without kept events of which there are too many: up to where something was discarded, by
//               a hash of the audience
//   lengths     of the prefixes of groups
//   holes       numbers that were given to nothing that is here
//
// Tables are created, and those of an older version changed, by one step for each version, each in a transaction of its
// own, which says so in `user_version`.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_connection.hpp>
#include <spate/history/sqlite/detail/track.hpp>

namespace spate::detail {

/// "Spte", which tells these files from other databases.
inline constexpr std::int64_t sqlite_application_id = 0x53707465;

/// Steps from each version to the next: the first makes a file out of nothing.
SPATE_DECL std::span<const char* const> sqlite_schema_steps() noexcept;

/// Makes the tables, or brings them to the newest version. Throws SqliteFileError, which names `file`, when it is none
/// of these or newer.
SPATE_DECL void prepare_schema(SqliteConnection& connection, const std::string& file,
                               std::span<const char* const> steps);

/// The place of an audience in `marks`: it stays the same, whatever the standard library hashes.
SPATE_DECL std::int64_t mark_place(TrackName name) noexcept;

/// A new epoch.
SPATE_DECL std::string make_sqlite_epoch();

/// What tells this start of the machine from others; empty when it is not known.
SPATE_DECL std::string boot_id();

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/schema.ipp>
#endif
