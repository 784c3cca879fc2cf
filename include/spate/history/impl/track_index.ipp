// The functions of track_index.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/track_index.hpp>

namespace spate::detail {

SPATE_DECL TrackIndex::TrackIndex(const ReplayLimits& limits)
    : limits_(limits), forgotten_([&limits] {
        const Watermarks empty(std::min<std::size_t>(limits.max_bytes / 512, 32 * 1024));
        return std::array{empty, empty, empty};
      }()) {}

SPATE_DECL MemoryTrack* TrackIndex::find(MemoryTrackKind kind, std::string_view name) noexcept {
  auto* const found = table(kind).find(name);
  return found == nullptr ? nullptr : &found->second;
}

SPATE_DECL MemoryTrack& TrackIndex::get(MemoryTrackKind kind, std::string_view name) {
  if (MemoryTrack* found = find(kind, name)) return *found;
  const bool is_group = kind == MemoryTrackKind::group;
  if (is_group) know_length(name.size());
  auto* const made = table(kind).emplace(name, std::string(name), MemoryTrack());
  MemoryTrack& fresh = made->second;
  fresh.name = &made->first;
  fresh.kind = kind;
  if (is_group) ++prefixes_[name.size()].groups;
  bytes_ += cost_of(name);
  remember(fresh);
  return fresh;
}

SPATE_DECL std::uint64_t TrackIndex::forgotten_of(const Subscriber& subscriber) const noexcept {
  const std::string_view user = subscriber.user;
  std::uint64_t newest = 0;
  if (!user.empty()) {
    newest = watermarks(MemoryTrackKind::user).of(user);
    for (std::size_t size = 0; size <= user.size() && size < prefixes_.size(); ++size) {
      if (prefixes_[size].forgotten)
        newest = std::max(newest, watermarks(MemoryTrackKind::group).of(user.substr(0, size)));
    }
  }
  for (const JoinedTopic& joined : subscriber.topics) {
    const std::uint64_t its = watermarks(MemoryTrackKind::topic).of(joined.name);
    if (its > joined.since) newest = std::max(newest, its);
  }
  return newest;
}

SPATE_DECL void TrackIndex::remember(MemoryTrack& track) noexcept {
  emptied_.push_back(track);
  ++remembered_;
  remembered_bytes_ += cost_of(*track.name);
}

SPATE_DECL void TrackIndex::no_longer_remember(MemoryTrack& track) noexcept {
  emptied_.remove(track);
  --remembered_;
  remembered_bytes_ -= cost_of(*track.name);
}

SPATE_DECL void TrackIndex::forget(MemoryTrack& track) noexcept {
  const std::string& name = *track.name;
  no_longer_remember(track);
  bytes_ -= cost_of(name);
  if (track.kind == MemoryTrackKind::group) --prefixes_[name.size()].groups;
  if (track.discarded > 0) raise(track.kind, name, track.discarded);
  table(track.kind).erase(name);
}

SPATE_DECL void TrackIndex::note_discarded(MemoryTrackKind kind, std::string_view name, std::uint64_t sequence) {
  if (kind == MemoryTrackKind::group) know_length(name.size());
  raise(kind, name, sequence);
}

SPATE_DECL std::size_t TrackIndex::cost_of(std::string_view name) noexcept {
  constexpr std::size_t within = 15;
  return allocated(sizeof(Table::Element) + 2 * sizeof(void*)) + 2 * sizeof(void*) +
         (name.size() > within ? allocated(name.size() + 1) : 0);
}

SPATE_DECL void TrackIndex::restart(Tables& tables, Entries& everybody) noexcept {
  for (std::size_t kind = 0; kind < tables.size(); ++kind) tables[kind].swap(tables_[kind]);
  everybody = std::move(everybody_.entries);
  everybody_ = MemoryTrack();
  prefixes_.clear();
  for (Watermarks& each : forgotten_) each.clear();
  emptied_ = {};
  remembered_ = remembered_bytes_ = bytes_ = 0;
}

SPATE_DECL void TrackIndex::raise(MemoryTrackKind kind, std::string_view name, std::uint64_t sequence) noexcept {
  if (kind == MemoryTrackKind::group) prefixes_[name.size()].forgotten = true;
  watermarks(kind).raise(name, sequence);
}

}  // namespace spate::detail
