// The functions of track_cache.hpp.
#pragma once

#include <algorithm>
#include <iterator>
#include <utility>

#include <spate/config.hpp>
#include <spate/history/sqlite/detail/track_cache.hpp>

namespace spate::detail {

SPATE_DECL std::size_t TrackCache::Piece::first_after(std::uint64_t sequence) const noexcept {
  const auto at = std::partition_point(events.begin(), events.end(),
                                       [&](const TrackEvent& each) { return each.sequence <= sequence; });
  return static_cast<std::size_t>(at - events.begin());
}

SPATE_DECL TrackCache::Piece* TrackCache::Track::piece_after(std::uint64_t after) noexcept {
  auto at = pieces.upper_bound(after);
  if (at == pieces.begin()) return nullptr;
  Piece& found = (--at)->second;
  return after < found.to ? &found : nullptr;
}

SPATE_DECL TrackCache::Piece* TrackCache::Track::next(const Piece& piece) noexcept {
  const auto at = pieces.find(piece.to);
  return at == pieces.end() ? nullptr : &at->second;
}

SPATE_DECL TrackCache::Piece* TrackCache::Track::previous(const Piece& piece) noexcept {
  auto at = pieces.find(piece.from);
  if (at == pieces.begin()) return nullptr;
  --at;
  return at->second.to == piece.from ? &at->second : nullptr;
}

// Where what is not at hand after `after` ends.
SPATE_DECL std::uint64_t TrackCache::Track::end_of_unknown(std::uint64_t after) const noexcept {
  const auto at = pieces.upper_bound(after);
  return at == pieces.end() ? after : at->first;
}

// After which number what is not at hand up to `before` begins.
SPATE_DECL std::uint64_t TrackCache::Track::begin_of_unknown(std::uint64_t before) const noexcept {
  auto at = pieces.lower_bound(before);
  return at == pieces.begin() ? 0 : (--at)->second.to;
}

SPATE_DECL TrackCache::~TrackCache() = default;

SPATE_DECL TrackCache::Track* TrackCache::find(TrackName name) {
  if (name.kind == TrackKind::everybody) return has_everybody_ ? &everybody_ : nullptr;
  auto* const found = table(name.kind).find(name.name);
  return found == nullptr ? nullptr : &found->second;
}

SPATE_DECL TrackCache::Track& TrackCache::watch(TrackName name, std::uint64_t newest) {
  if (Track* const known = find(name)) return *known;
  Track* made = &everybody_;
  if (name.kind != TrackKind::everybody) {
    auto* const element = table(name.kind).emplace(name.name, std::string(name.name), Track());
    made = &element->second;
    made->name = &element->first;
  }
  made->kind = name.kind;
  made->watched = newest;
  made->stay = ++stays_;
  try {
    make_piece(*made, newest, no_end);
  } catch (...) {
    if (made->name != nullptr) table(name.kind).erase(name.name);
    throw;
  }
  if (made->name == nullptr) has_everybody_ = true;
  ++size_;
  bytes_ += track_cost + name.name.size();
  return *made;
}

SPATE_DECL void TrackCache::put(TrackName name, const TrackEvent& event) {
  Track* const track = find(name);
  if (track == nullptr) return;
  Piece* last = &track->pieces.rbegin()->second;
  if (!last->events.empty() && last->events.back().sequence == event.sequence) return;  // named twice
  if (last->bytes > max_piece_bytes) {
    const std::uint64_t end = last->events.back().sequence;
    // The new one comes first: without memory for it, nothing has changed.
    Piece& behind = make_piece(*track, end, no_end);
    last->to = end;
    last = &behind;
  }
  push(*last, event);
}

SPATE_DECL void TrackCache::push(Piece& piece, const TrackEvent& event) {
  piece.events.push_back(event);
  piece.bytes += cost_of(event);
  bytes_ += cost_of(event);
}

SPATE_DECL void TrackCache::take_back(TrackName name, std::uint64_t sequence) {
  Track* const track = find(name);
  if (track == nullptr) return;
  Piece* const piece = track->piece_after(sequence - 1);
  if (piece == nullptr) return;
  const std::size_t at = piece->first_after(sequence - 1);
  if (at == piece->events.size() || piece->events[at].sequence != sequence) return;
  const std::size_t cost = cost_of(piece->events[at]);
  piece->bytes -= cost;
  bytes_ -= cost;
  piece->events.erase(piece->events.begin() + static_cast<std::ptrdiff_t>(at));
}

SPATE_DECL void TrackCache::drop_front(Piece& piece, std::size_t count) {
  std::size_t cost = 0;
  for (std::size_t i = 0; i < count; ++i) cost += cost_of(piece.events[i]);
  piece.bytes -= cost;
  bytes_ -= cost;
  piece.events.erase(piece.events.begin(), piece.events.begin() + static_cast<std::ptrdiff_t>(count));
}

SPATE_DECL void TrackCache::trim(TrackName name, std::uint64_t trimmed, std::uint64_t discarded) {
  Track* const track = find(name);
  if (track == nullptr) return;
  track->discarded = std::max(track->discarded, discarded);
  if (trimmed <= track->trimmed) return;
  track->trimmed = trimmed;
  for (auto& [from, piece] : track->pieces) {
    if (from >= trimmed) break;
    drop_front(piece, piece.first_after(trimmed));
  }
}

SPATE_DECL void TrackCache::insert(TrackName name, const Found& found, UnixMilliseconds now) {
  Track* const track = find(name);
  if (track == nullptr) return;
  if (found.knows_discarded) {
    track->discarded = std::max(track->discarded, found.discarded);
    track->known = true;
  }
  // What is there already stays: it is the same.
  std::uint64_t from = found.from;
  while (from < found.to) {
    if (Piece* const known = track->piece_after(from)) {
      if (known->lost_until == 0) {
        from = known->to;
        continue;
      }
      erase(*known);
    }
    const std::uint64_t unknown = track->end_of_unknown(from);
    const std::uint64_t to = unknown > from ? std::min(unknown, found.to) : found.to;
    Piece& piece = make_piece(*track, from, to);
    if (found.lost) piece.lost_until = now + until_tried_again;
    if (found.unreadable > from) piece.discarded = std::min(found.unreadable, to);
    try {
      for (const TrackEvent& event : found.events) {
        if (event.sequence > from && event.sequence <= to && event.sequence > track->trimmed) push(piece, event);
      }
    } catch (...) {
      erase(piece);  // it says of itself that it has all
      throw;
    }
    from = to;
  }
}

SPATE_DECL TrackCache::Piece& TrackCache::make_piece(Track& track, std::uint64_t from, std::uint64_t to) {
  Piece& piece = track.pieces[from];
  piece.track = &track;
  piece.from = from;
  piece.to = to;
  piece.bytes = piece_cost;
  bytes_ += piece_cost;
  link(piece);
  if (fresh_ == nullptr) fresh_ = &piece;
  return piece;
}

SPATE_DECL void TrackCache::link(Piece& piece) noexcept {
  piece.older = newest_;
  piece.newer = nullptr;
  (newest_ == nullptr ? oldest_ : newest_->newer) = &piece;
  newest_ = &piece;
}

SPATE_DECL void TrackCache::unlink(Piece& piece) noexcept {
  if (fresh_ == &piece) fresh_ = piece.newer;
  (piece.older == nullptr ? oldest_ : piece.older->newer) = piece.newer;
  (piece.newer == nullptr ? newest_ : piece.newer->older) = piece.older;
}

SPATE_DECL void TrackCache::touch(Piece& piece) noexcept {
  if (newest_ == &piece) return;
  unlink(piece);
  link(piece);
  if (fresh_ == nullptr) fresh_ = &piece;
}

SPATE_DECL void TrackCache::erase(Piece& piece) noexcept {
  unlink(piece);
  bytes_ -= piece.bytes;
  piece.track->pieces.erase(piece.from);
}

SPATE_DECL void TrackCache::erase(Track& track) noexcept {
  while (!track.pieces.empty()) erase(track.pieces.begin()->second);
  --size_;
  if (track.questions > 0) --awaited_;
  if (track.name == nullptr) {
    bytes_ -= track_cost;
    everybody_ = Track();
    has_everybody_ = false;
  } else {
    bytes_ -= track_cost + track.name->size();
    table(track.kind).erase(*track.name);
  }
}

SPATE_DECL void TrackCache::clear() noexcept {
  while (oldest_ != nullptr) erase(*oldest_->track);
}

SPATE_DECL void TrackCache::evict(std::uint64_t newest) {
  const std::size_t most = max_bytes_ + awaited_ * (track_cost + piece_cost);
  // The last piece of a track goes with it, or else begins anew: what is sent must not miss it.
  while (bytes_ > most && oldest_ != nullptr && oldest_ != fresh_) {
    Piece& piece = *oldest_;
    Track& track = *piece.track;
    if (piece.has_end()) {
      erase(piece);
    } else if (track.questions == 0 && track.pieces.size() == 1) {
      erase(track);
    } else {
      if (track.questions == 0 || piece.bytes > piece_cost) begin_anew(piece, newest);
      if (&piece == newest_) break;
      touch(piece);
    }
  }
  fresh_ = nullptr;
}

// Lets go of what `last` has: from now on it has what is sent after `newest`.
SPATE_DECL void TrackCache::begin_anew(Piece& last, std::uint64_t newest) noexcept {
  Track& track = *last.track;
  bytes_ -= last.bytes - piece_cost;
  last.bytes = piece_cost;
  std::vector<TrackEvent>().swap(last.events);
  last.discarded = 0;
  last.lost_until = 0;
  auto node = track.pieces.extract(last.from);
  node.key() = last.from = newest;
  track.pieces.insert(std::move(node));
}

}  // namespace spate::detail
