// The functions of track_merge.hpp.
#pragma once

#include <algorithm>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/track_merge.hpp>

namespace spate::detail {

SPATE_DECL void TrackMerge::begin(Direction direction, std::uint64_t visible, UnixMilliseconds now,
                                  UnixMilliseconds max_age) noexcept {
  direction_ = direction;
  visible_ = visible;
  now_ = now;
  max_age_ = max_age;
  discarded_ = passed_ = 0;
  missing_ = false;
  only_ = nullptr;
  runs_.clear();
}

SPATE_DECL void TrackMerge::add(TrackCache& cache, TrackName name, TrackCache::Track* track, std::uint64_t start,
                                std::uint64_t floor) {
  cache_ = &cache;
  if (!is_forward()) start = std::min(start, visible_);
  Run& run = runs_.emplace_back(Run{name, track, floor, start});
  if (is_forward() ? start >= visible_ : start <= floor) {
    run.state = Run::State::ended;
    return;
  }
  if (track != nullptr) run.piece = track->piece_after(is_forward() ? start : start - 1);
  if (run.piece != nullptr) run.index = run.piece->first_after(start);
  find(run);
}

// Whether the piece of `run` can be looked at.
SPATE_DECL bool TrackMerge::enter(TrackCache& cache, Run& run) {
  if (run.piece != nullptr && run.piece->is_due(now_)) {
    cache.forget(*run.piece);
    run.piece = nullptr;
  }
  if (run.piece == nullptr) {
    run.state = Run::State::missing;
    return false;
  }
  cache.touch(*run.piece);
  return true;
}

SPATE_DECL void TrackMerge::find_forward(Run& run) {
  for (;;) {
    if (!enter(*cache_, run)) return;
    TrackCache::Piece& piece = *run.piece;
    if (piece.discarded > run.position) discarded_ = std::max(discarded_, piece.discarded);
    for (; run.index < piece.events.size(); ++run.index) {
      const TrackEvent& event = piece.events[run.index];
      if (event.sequence > visible_) {
        run.state = Run::State::ended;
        return;
      }
      if (event.expired(now_)) continue;
      if (!too_old(event)) {
        run.state = Run::State::at_event;
        return;
      }
      discarded_ = std::max(discarded_, event.sequence);
    }
    run.position = piece.to;
    if (piece.to >= visible_) {
      run.state = Run::State::ended;
      return;
    }
    run.piece = run.track->next(piece);
    run.index = 0;
  }
}

SPATE_DECL void TrackMerge::find_backward(Run& run) {
  for (;;) {
    if (!enter(*cache_, run)) return;
    TrackCache::Piece& piece = *run.piece;
    for (; run.index > 0; --run.index) {
      const TrackEvent& event = piece.events[run.index - 1];
      if (event.expired(now_)) continue;
      // Those before one that is too old are so, too.
      const bool ends = event.sequence <= run.floor || too_old(event);
      run.state = ends ? Run::State::ended : Run::State::at_event;
      return;
    }
    run.position = piece.from;
    if (piece.from <= run.floor) {
      run.state = Run::State::ended;
      return;
    }
    run.piece = run.track->previous(piece);
    run.index = run.piece == nullptr ? 0 : run.piece->events.size();
  }
}

SPATE_DECL bool TrackMerge::knows_discarded() const noexcept {
  return std::none_of(runs_.begin(), runs_.end(), [](const Run& run) {
    return run.state == Run::State::missing && (run.track == nullptr || !run.track->known);
  });
}

SPATE_DECL const TrackEvent* TrackMerge::next_of_all() {
  const TrackEvent* found = nullptr;
  Run* at = nullptr;
  std::size_t others = 0;
  only_ = nullptr;
  missing_ = false;
  std::uint64_t limit = is_forward() ? TrackCache::no_end : 0;
  for (Run& run : runs_) {
    // The one that was given last, in each track in which it stands.
    if (run.state == Run::State::at_event && passed_ != 0 && run.sequence(direction_) == passed_) {
      is_forward() ? ++run.index : --run.index;
      find(run);
    }
    if (run.state == Run::State::missing) {
      missing_ = true;
      limit = is_forward() ? std::min(limit, run.position) : std::max(limit, run.position);
    }
    if (run.state != Run::State::at_event) continue;
    if (at != nullptr) ++others;
    at = &run;
    const TrackEvent& event = run.piece->events[is_forward() ? run.index : run.index - 1];
    if (found == nullptr || (is_forward() ? event.sequence < found->sequence : event.sequence > found->sequence)) {
      found = &event;
      kind_ = run.name.kind;
    }
  }
  if (is_forward() && others == 0 && !missing_) only_ = at;
  if (found != nullptr && (!missing_ || (is_forward() ? found->sequence <= limit : found->sequence > limit))) {
    passed_ = found->sequence;
    return found;
  }
  return nullptr;
}

}  // namespace spate::detail
