// MemoryTrack: what is kept for one audience: a user, a group, a topic, or everybody.
#pragma once

#include <cstdint>
#include <string>

#include <spate/history/detail/block_queue.hpp>
#include <spate/history/detail/indexed_heap.hpp>
#include <spate/history/detail/kept_entry.hpp>

namespace spate::detail {

enum class MemoryTrackKind : std::uint8_t { user, group, topic, everybody };

/// The entries of one track, oldest first. The mark of a block says when the last of its entries expires.
using Entries = BlockQueue<KeptEntry, 32, HistoryClock::time_point>;

struct MemoryTrack {
  Entries entries;
  std::uint64_t bytes = 0;            // what these cost, and their part of what their events do
  std::uint64_t discarded = 0;        // the sequence number of the newest that was, kept before or not
  const std::string* name = nullptr;  // the key in its table; null for everybody
  // Among those that hold as many, or those that hold nothing.
  MemoryTrack* previous = nullptr;
  MemoryTrack* next = nullptr;
  std::uint32_t place_by_bytes = no_place;
  std::uint32_t place_by_age = no_place;
  MemoryTrackKind kind = MemoryTrackKind::everybody;
};

}  // namespace spate::detail
