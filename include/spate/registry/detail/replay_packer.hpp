// ReplayPacker: events drawn from a store as one piece of bytes, for one write.
//
// Clients that return together are owed the same, so the last pieces are kept and shared. One per feed. No I/O.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <spate/registry/replay_store.hpp>
#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

class ReplayPacker {
 public:
  /// The chunks of `batch`, one behind the other. Valid until the next call.
  const PackedChunks& pack(const std::vector<StoredEvent>& batch) {
    const auto same = [](const StoredEvent& stored, std::uint64_t sequence) { return stored.sequence == sequence; };
    for (const Piece& piece : pieces_) {
      if (std::equal(batch.begin(), batch.end(), piece.sequences.begin(), piece.sequences.end(), same)) {
        return piece.packed;
      }
    }
    Piece& piece = pieces_[next_];
    next_ = (next_ + 1) % pieces_.size();
    fill(piece, batch);
    return piece.packed;
  }

 private:
  struct Piece {
    std::vector<std::uint64_t> sequences;
    PackedChunks packed;
  };

  static void fill(Piece& piece, const std::vector<StoredEvent>& batch) {
    piece.sequences.clear();  // it is nobody's until it is whole
    std::size_t size = 0;
    for (const StoredEvent& stored : batch) size += stored.event.chunk().size();
    piece.packed = {Block::make(size), size};
    char* out = piece.packed.block->data();
    for (const StoredEvent& stored : batch) {
      const std::string_view chunk = stored.event.chunk();
      out = std::copy(chunk.begin(), chunk.end(), out);
    }
    for (const StoredEvent& stored : batch) piece.sequences.push_back(stored.sequence);
  }

  // A history of a quarter of a mebibyte, at what is drawn at a time.
  std::array<Piece, 8> pieces_;
  std::size_t next_ = 0;
};

}  // namespace spate::detail
