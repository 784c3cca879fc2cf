// Events that share a row of `events`: those of one audience that one transaction brought. A row for each of them would
// cost several times as much to write.
//
// The row has the number of the last of them, so that the first can be taken out without a change of it. `parts` says
// where each one lies in `bytes`; it is null in a row of one event that never shared it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/sqlite_connection.hpp>
#include <spate/history/sqlite/detail/track.hpp>

namespace spate::detail {

struct AudienceRow;

/// One of the events of a row, as it stands in `parts`.
struct EventPart {
  std::uint64_t sequence;
  UnixMilliseconds at;
  std::int64_t size;
};
static_assert(sizeof(EventPart) == 24);

/// A row that is being filled.
struct EventPack {
  // A row fits into a page of 4 KiB, which is written anew at any rate when something in it changes: nothing else is
  // lost with a page that is damaged. Events that do not fit share no row.
  static constexpr std::size_t max_bytes = 4000;
  static constexpr std::size_t max_event_bytes = max_bytes - sizeof(EventPart);

  AudienceRow* row = nullptr;
  std::vector<EventPart> parts;
  std::string bytes;

  bool has_room_for(std::string_view event) const noexcept {
    return bytes.size() + event.size() + (parts.size() + 1) * sizeof(EventPart) <= max_bytes;
  }
  void add(std::uint64_t sequence, UnixMilliseconds at, std::string_view event) {
    parts.push_back({sequence, at, static_cast<std::int64_t>(event.size())});
    bytes.append(event);
  }
  std::string_view part_bytes() const noexcept {
    return {reinterpret_cast<const char*>(parts.data()), parts.size() * sizeof(EventPart)};
  }
  void clear() noexcept {
    parts.clear();
    bytes.clear();
  }
};

/// Puts the events of the row `sequence` into `parts`, oldest first: `stored` is what its column of that name has, `at`
/// and `size` are those of the row. Throws SqliteError when they do not fit each other.
inline void read_parts(std::string_view stored, std::uint64_t sequence, UnixMilliseconds at, std::int64_t size,
                       std::vector<EventPart>& parts) {
  if (stored.empty()) {
    parts.assign(1, {sequence, at, size});
    return;
  }
  parts.resize(stored.size() / sizeof(EventPart));
  if (parts.size() * sizeof(EventPart) != stored.size()) throw SqliteError(SQLITE_CORRUPT);
  std::memcpy(parts.data(), stored.data(), stored.size());
  std::uint64_t before = 0;
  for (const EventPart& part : parts) {
    if (part.size < 0 || part.size > size || part.sequence <= before) throw SqliteError(SQLITE_CORRUPT);
    size -= part.size;
    before = part.sequence;
  }
  if (size != 0 || before != sequence) throw SqliteError(SQLITE_CORRUPT);
}

}  // namespace spate::detail
