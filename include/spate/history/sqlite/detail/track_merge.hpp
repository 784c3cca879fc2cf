// TrackMerge: the events of several tracks in the order of their numbers, or against it, as far as they are at hand.
//
//   merge.begin(TrackMerge::Direction::forward, visible, now, max_age);
//   merge.add({TrackKind::user, "alice"}, cache.find(...), after, 0);
//   while (const TrackEvent* event = merge.next()) ...
//   if (!merge.complete()) ...   // merge.for_each_missing tells what is to be read
//
// An event that stands in several of the tracks comes once; what has expired, or is too old, never. Holds as long as
// the cache is not changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/track_cache.hpp>

namespace spate::detail {

class TrackMerge {
 public:
  enum class Direction : std::uint8_t { forward, backward };

  /// `visible` is the newest number that may be seen. `max_age` 0: no event is too old.
  void begin(Direction direction, std::uint64_t visible, UnixMilliseconds now, UnixMilliseconds max_age) noexcept;

  /// Forward the events after `start`; backward those up to `start` and after `floor`. `track` is null when nothing of
  /// it is at hand.
  void add(TrackCache& cache, TrackName name, TrackCache::Track* track, std::uint64_t start, std::uint64_t floor);

  /// The next event; null when none is at hand.
  const TrackEvent* next() {
    const TrackEvent* const following = next_of_only();
    return following != nullptr ? following : next_of_all();
  }

  /// After an event: the kind of the track that it was found in.
  TrackKind kind() const noexcept { return kind_; }

  /// After null: whether there is none.
  bool complete() const noexcept { return !missing_; }

  /// Whether of all tracks that were not at hand from their beginning it is known at least what was discarded.
  bool knows_discarded() const noexcept;

  /// Up to where what was passed is missing, besides what the tracks say: it is too old, or could not be read.
  std::uint64_t discarded() const noexcept { return discarded_; }

  /// After null: the tracks because of which it is, and the numbers of which something is to be known, after `from` up
  /// to `to`.
  template <typename Visit>
  void for_each_missing(Visit&& visit) const {
    for (const Run& run : runs_) {
      if (run.state != Run::State::missing) continue;
      const bool forward = direction_ == Direction::forward;
      const TrackCache::Track* const track = run.track;
      if (forward) {
        visit(run.name, run.position, track == nullptr ? TrackCache::no_end : track->end_of_unknown(run.position));
      } else {
        visit(run.name, track == nullptr ? 0 : track->begin_of_unknown(run.position), run.position);
      }
    }
  }

 private:
  struct Run {
    enum class State : std::uint8_t { at_event, missing, ended };

    TrackName name;
    TrackCache::Track* track;
    std::uint64_t floor;
    std::uint64_t position;  // what lies before it, or behind it when that is the direction, has been passed
    TrackCache::Piece* piece = nullptr;
    std::size_t index = 0;
    State state = State::at_event;

    std::uint64_t sequence(Direction direction) const noexcept {
      return piece->events[direction == Direction::forward ? index : index - 1].sequence;
    }
  };

  // What follows in the only track that has more, as long as that is within its piece: most clients have one such
  // track.
  const TrackEvent* next_of_only() noexcept {
    if (only_ == nullptr || only_->index + 1 >= only_->piece->events.size()) return nullptr;
    const TrackEvent& event = only_->piece->events[only_->index + 1];
    if (event.sequence > visible_ || event.expired(now_) || too_old(event)) return nullptr;
    ++only_->index;
    passed_ = event.sequence;
    return &event;
  }
  const TrackEvent* next_of_all();
  bool is_forward() const noexcept { return direction_ == Direction::forward; }
  bool too_old(const TrackEvent& event) const noexcept { return max_age_ > 0 && now_ - event.at >= max_age_; }
  bool enter(TrackCache& cache, Run& run);
  void find_forward(Run& run);
  void find_backward(Run& run);
  void find(Run& run) { is_forward() ? find_forward(run) : find_backward(run); }

  Direction direction_ = Direction::forward;
  std::uint64_t visible_ = 0;
  UnixMilliseconds now_ = 0;
  UnixMilliseconds max_age_ = 0;
  std::uint64_t discarded_ = 0;
  std::uint64_t passed_ = 0;  // the number that was given last; 0: none
  bool missing_ = false;
  TrackKind kind_ = TrackKind::everybody;
  TrackCache* cache_ = nullptr;
  Run* only_ = nullptr;    // forward, the one that the last event is of, when all others have ended
  std::vector<Run> runs_;  // kept for its capacity
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/sqlite/impl/track_merge.ipp>
#endif
