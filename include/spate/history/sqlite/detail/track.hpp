// Tracks: what one user, one group, one topic, or everybody was sent. Events stand in tracks by their sequence numbers.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <spate/history/audience.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

/// The numbers are those of the file.
enum class TrackKind : std::uint8_t { user = 0, group = 1, everybody = 2, topic = 3 };

struct TrackName {
  TrackKind kind;
  std::string_view name;
};

struct OwnedTrackName {
  TrackKind kind = TrackKind::everybody;
  std::string name;

  explicit operator TrackName() const noexcept { return {kind, name}; }
};

/// Visits each track that an event for `audience` stands in; the same twice, where it names somebody twice.
template <typename Visit>
void for_each_track(const Audience& audience, Visit&& visit) {
  switch (audience.kind()) {
    case Audience::Kind::user: visit(TrackName{TrackKind::user, audience.name()}); break;
    case Audience::Kind::group: visit(TrackName{TrackKind::group, audience.name()}); break;
    case Audience::Kind::everybody: visit(TrackName{TrackKind::everybody, {}}); break;
    case Audience::Kind::topic: visit(TrackName{TrackKind::topic, audience.name()}); break;
    case Audience::Kind::users:
      for (const std::string& name : audience.names()) visit(TrackName{TrackKind::user, name});
      break;
    case Audience::Kind::topics:
      for (const std::string& name : audience.names()) visit(TrackName{TrackKind::topic, name});
  }
}

/// Milliseconds since 1970: unlike a steady clock they go on in the next process.
using UnixMilliseconds = std::int64_t;

inline UnixMilliseconds wall_time() noexcept {
  using std::chrono::milliseconds;
  return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// `by` after `at`, or the end of all time.
inline UnixMilliseconds later(UnixMilliseconds at, UnixMilliseconds by) noexcept {
  constexpr UnixMilliseconds end = std::numeric_limits<UnixMilliseconds>::max();
  return at > end - by ? end : at + by;
}

/// An event of a track.
struct TrackEvent {
  std::uint64_t sequence = 0;
  UnixMilliseconds at = 0;
  UnixMilliseconds expires = 0;  // 0: it does not
  EncodedEvent event;

  bool expired(UnixMilliseconds now) const noexcept { return expires != 0 && expires <= now; }
};

/// What the writer has to do for one number, or for several.
struct PendingEvent {
  enum class What : std::uint8_t {
    keep,     // the event
    discard,  // it is not kept, which is a gap to those whom it is for
    nothing,  // the number is nobody's
    refuse,   // nor are those up to this one: there was no room to let them wait
    skip,     // up to it something may have been sent to anybody
  };

  What what = What::keep;
  bool several = false;  // of the names below, in place of the track
  OwnedTrackName track;  // its kind is theirs
  TrackEvent event;
  std::vector<std::string> names;

  std::uint64_t sequence() const noexcept { return event.sequence; }

  template <typename Visit>
  void for_each_track(Visit&& visit) const {
    if (!several) return visit(static_cast<TrackName>(track));
    for (const std::string& name : names) visit(TrackName{track.kind, name});
  }

  std::size_t footprint() const noexcept {
    std::size_t bytes = sizeof(PendingEvent) + event.event.footprint() + track.name.size();
    for (const std::string& name : names) bytes += sizeof(std::string) + name.size();
    return bytes;
  }
};

}  // namespace spate::detail
