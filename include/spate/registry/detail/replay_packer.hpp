// ReplayPacker: events drawn from a store as one piece of bytes, for one write.
//
// Clients that return together are owed the same, so the last pieces are kept and shared. One per feed. No I/O.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <spate/registry/replay_store.hpp>
#include <spate/stream/detail/write_queue.hpp>

namespace spate::detail {

class ReplayPacker {
 public:
  struct Piece {
    std::uint32_t history = 0;
    std::vector<std::uint64_t> sequences;
    EncodedEvent first;  // of its events
    PackedChunks chunks;
  };

  /// The piece that holds the events of these numbers, if there is one still. A number means another event in every
  /// `history`. Valid until the next call of `pack`.
  const Piece* find(std::uint32_t history, std::span<const std::uint64_t> sequences) const noexcept {
    if (sequences.empty()) return nullptr;
    for (const Piece& piece : pieces_) {
      if (piece.history == history &&
          std::equal(sequences.begin(), sequences.end(), piece.sequences.begin(), piece.sequences.end())) {
        return &piece;
      }
    }
    return nullptr;
  }

  /// The piece that holds the events of `batch`, one at least. Valid until the next call.
  const Piece& pack(std::uint32_t history, std::span<const StoredEvent> batch) {
    sequences_.clear();
    for (const StoredEvent& stored : batch) sequences_.push_back(stored.sequence);
    if (const Piece* kept = find(history, sequences_)) return *kept;
    Piece& piece = pieces_[next_];
    next_ = (next_ + 1) % pieces_.size();
    piece.sequences.clear();  // it is nobody's until it is whole
    std::size_t size = 0;
    for (const StoredEvent& stored : batch) size += stored.event.chunk().size();
    piece.chunks = {Block::make(size), size};
    char* out = piece.chunks.block->data();
    for (const StoredEvent& stored : batch) {
      const std::string_view chunk = stored.event.chunk();
      out = std::copy(chunk.begin(), chunk.end(), out);
    }
    piece.history = history;
    piece.first = batch.front().event;
    piece.sequences.assign(sequences_.begin(), sequences_.end());
    return piece;
  }

 private:
  // A history of a quarter of a mebibyte, at what is drawn at a time.
  std::array<Piece, 8> pieces_;
  std::size_t next_ = 0;
  std::vector<std::uint64_t> sequences_;  // kept for its capacity
};

}  // namespace spate::detail
