// TrackCache: what is at hand of the tracks that somebody reads, in memory that is bounded.
//
// Of a track there are pieces. Each has all that is kept of it in a range of sequence numbers, also if that is nothing.
// Ranges do not overlap. The last one has no end: what is sent while the track is here is put there. So whoever reads a
// track for the first time is only in want of what lies below; what they read fills it up from either side. What has
// not been asked for the longest goes when there is too much; but no track of which something is being read: what was
// read would find no place, and whoever waits for it would ask again, for ever if they are many.
//
// Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/detail/split_table.hpp>
#include <spate/history/sqlite/detail/track.hpp>

namespace spate::detail {

class TrackCache {
 public:
  static constexpr std::uint64_t no_end = std::numeric_limits<std::uint64_t>::max();
  static constexpr UnixMilliseconds until_tried_again = 1000;

  struct Track;

  /// What is kept of its track after `from`, up to `to`.
  struct Piece {
    Track* track = nullptr;
    std::uint64_t from = 0;
    std::uint64_t to = no_end;
    std::vector<TrackEvent> events;
    std::uint64_t discarded = 0;      // up to there something of it could not be read
    UnixMilliseconds lost_until = 0;  // it could not be read at all, and is not tried again before; 0: it could
    std::size_t bytes = 0;            // what all of it costs
    // By when it was last asked for.
    Piece* older = nullptr;
    Piece* newer = nullptr;

    bool has_end() const noexcept { return to != no_end; }
    /// Whether it is to be tried again. A clock that was set back does not put that off.
    bool is_due(UnixMilliseconds now) const noexcept {
      return lost_until != 0 && (lost_until <= now || lost_until > now + until_tried_again);
    }
    /// The place of the first event after `sequence`.
    std::size_t first_after(std::uint64_t sequence) const noexcept;
  };

  struct Track {
    TrackKind kind = TrackKind::everybody;
    const std::string* name = nullptr;      // the key in its table; null for everybody
    std::uint64_t discarded = 0;            // as `ReplayStore::fetch` says it; exact when `known`
    std::uint64_t trimmed = 0;              // nothing up to there is kept any more
    bool known = false;                     // it has been read
    std::uint64_t watched = 0;              // since this number it is here
    std::uint64_t stay = 0;                 // tells this stay here from earlier ones of the same track
    std::size_t questions = 0;              // about it that have no answer yet
    std::map<std::uint64_t, Piece> pieces;  // by `from`

    /// The piece that an event at `after` + 1 would stand in; null when it is not at hand.
    Piece* piece_after(std::uint64_t after) noexcept;
    /// The piece that follows `piece` without anything between them; null when there is none.
    Piece* next(const Piece& piece) noexcept;
    Piece* previous(const Piece& piece) noexcept;
    std::uint64_t end_of_unknown(std::uint64_t after) const noexcept;
    std::uint64_t begin_of_unknown(std::uint64_t before) const noexcept;
  };

  /// What was read of a track: all that is kept of it in a range.
  struct Found {
    std::uint64_t from = 0;
    std::uint64_t to = 0;
    std::vector<TrackEvent> events;  // oldest first
    std::uint64_t unreadable = 0;    // up to there something of it could not be read
    bool lost = false;               // nothing of it could
    bool knows_discarded = true;
    std::uint64_t discarded = 0;  // of the whole track
  };

  explicit TrackCache(std::size_t max_bytes) : max_bytes_(max_bytes) {}
  ~TrackCache();

  Track* find(TrackName name);
  /// The track, which is here from now on: all that is sent after `newest` is put there.
  Track& watch(TrackName name, std::uint64_t newest);
  /// It stays until as many questions about it have an answer.
  void asked(Track& track) noexcept {
    if (track.questions++ == 0) ++awaited_;
  }
  void answered(Track& track) noexcept {
    if (--track.questions == 0) --awaited_;
  }

  void append(TrackName name, const TrackEvent& event) {
    if (size_ > 0) put(name, event);
  }
  void take_back(TrackName name, std::uint64_t sequence);
  /// Nothing up to `trimmed` is kept any more; `discarded` as of the track.
  void trim(TrackName name, std::uint64_t trimmed, std::uint64_t discarded);
  void insert(TrackName name, const Found& found, UnixMilliseconds now);

  /// It is to be read again.
  void forget(Piece& piece) { erase(piece); }
  /// It was asked for.
  void touch(Piece& piece) noexcept;
  /// Makes room; what was put here since it was last called stays. What it costs that a track is here at all counts
  /// only while nobody waits for it: they are as many as they are.
  void evict(std::uint64_t newest);

  void clear() noexcept;

  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t size() const noexcept { return size_; }

 private:
  using Tracks = SplitTable<std::unordered_map<std::string, Track, NameHash, SameName>>;

  static constexpr std::size_t piece_cost = sizeof(Piece) + 64;
  static constexpr std::size_t track_cost = sizeof(Track) + 128;
  static constexpr std::size_t max_piece_bytes = 64 * 1024;

  static std::size_t cost_of(const TrackEvent& event) noexcept { return sizeof event + event.event.footprint() + 16; }

  Tracks& table(TrackKind kind) noexcept { return tables_[static_cast<std::size_t>(kind)]; }
  void put(TrackName name, const TrackEvent& event);
  void begin_anew(Piece& last, std::uint64_t newest) noexcept;
  Piece& make_piece(Track& track, std::uint64_t from, std::uint64_t to);
  void push(Piece& piece, const TrackEvent& event);
  void drop_front(Piece& piece, std::size_t count);
  void unlink(Piece& piece) noexcept;
  void link(Piece& piece) noexcept;
  void erase(Piece& piece) noexcept;
  void erase(Track& track) noexcept;

  const std::size_t max_bytes_;
  Tracks tables_[4];
  Track everybody_;
  bool has_everybody_ = false;
  std::size_t size_ = 0;     // tracks
  std::size_t awaited_ = 0;  // of them there are questions
  std::uint64_t stays_ = 0;
  std::size_t bytes_ = 0;
  Piece* oldest_ = nullptr;
  Piece* newest_ = nullptr;
  const Piece* fresh_ = nullptr;  // the oldest of those that were put here since there was last made room
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/track_cache.ipp>
#endif
