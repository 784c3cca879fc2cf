// BroadcastLog: the recent broadcasts of one emitter on one shard, as one run of bytes, for streams in which events
// have the same bytes.
//
// Publishing to ten thousand streams appends here once; each stream keeps its position and, when it is its turn, writes
// everything after it in one piece. Positions count bytes from the log's beginning and never repeat. No I/O.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string_view>

#include <spate/config.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class BroadcastLog {
 public:
  struct Position {
    std::uint64_t byte = 0;
    std::uint64_t event = 0;  // counts those that have data
  };

  /// Neighbouring events within one block.
  struct Piece {
    const Ref<Block>* block;
    std::string_view bytes;
    std::uint32_t events;
  };

  Position end() const noexcept { return end_; }
  bool empty() const noexcept { return segments_.empty(); }
  /// What the newest event counts against the limits of a queue.
  std::size_t newest_size() const noexcept { return newest_size_; }

  /// Appends `bytes`, which `block` keeps alive, or nobody: then they are copied. They are of one event, which counts
  /// `size` bytes, or of none that has data.
  void append(std::string_view bytes, const Ref<Block>& block, std::size_t size, bool has_data);

  /// Visits what stands from `from` on, piece by piece, while `visit(piece)` returns true.
  template <typename Visit>
  void read(Position from, Visit&& visit) const {
    if (from.byte == end_.byte) return;
    // Nearly every reader is in the last segment or the one before it.
    auto segment = segments_.end();
    do {
      assert(segment != segments_.begin());
      --segment;
    } while (segment->start.byte > from.byte);
    for (; segment != segments_.end(); ++segment) {
      const std::uint64_t skipped = from.byte > segment->start.byte ? from.byte - segment->start.byte : 0;
      const std::uint64_t told = from.event > segment->start.event ? from.event - segment->start.event : 0;
      if (skipped == segment->size) continue;
      const Piece piece{&segment->block,
                        {segment->data + skipped, static_cast<std::size_t>(segment->size - skipped)},
                        static_cast<std::uint32_t>(segment->events - std::min<std::uint64_t>(told, segment->events))};
      if (!visit(piece)) return;
    }
  }

  /// Forgets what lies before `position`, block by block. Queues that refer to it keep it alive.
  void trim(Position position);

 private:
  static constexpr std::size_t block_size = 64 * 1024;

  struct Segment {
    Ref<Block> block;
    const char* data;
    std::uint32_t size;
    std::uint32_t events;
    Position start;
  };

  std::deque<Segment> segments_;
  std::size_t room_ = 0;  // left in the last segment's block; none after a large event
  std::size_t newest_size_ = 0;
  Position end_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/broadcast_log.ipp>
#endif
