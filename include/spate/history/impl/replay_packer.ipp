// The functions of replay_packer.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/replay_packer.hpp>

namespace spate::detail {

SPATE_DECL ReplayPacker::Piece* ReplayPacker::find(std::uint32_t generation,
                                                   std::span<const std::uint64_t> sequences) noexcept {
  if (sequences.empty()) return nullptr;
  for (Piece& piece : pieces_) {
    if (piece.generation == generation &&
        std::equal(sequences.begin(), sequences.end(), piece.sequences.begin(), piece.sequences.end())) {
      return &piece;
    }
  }
  return nullptr;
}

SPATE_DECL ReplayPacker::Piece& ReplayPacker::pack(std::uint32_t generation, std::span<const StoredEvent> batch) {
  sequences_.clear();
  for (const StoredEvent& stored : batch) sequences_.push_back(stored.sequence);
  if (Piece* kept = find(generation, sequences_)) return *kept;
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
  piece.generation = generation;
  piece.events.assign(batch.begin(), batch.end());
  piece.compressed[0] = piece.compressed[1] = {};
  piece.sequences.assign(sequences_.begin(), sequences_.end());
  return piece;
}

}  // namespace spate::detail
