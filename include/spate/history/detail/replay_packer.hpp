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

#include <spate/config.hpp>
#include <spate/history/replay_store.hpp>
#include <spate/wire/detail/packed_chunks.hpp>

namespace spate::detail {

class ReplayPacker {
 public:
  struct Piece {
    std::uint32_t generation = 0;
    std::vector<std::uint64_t> sequences;
    std::vector<StoredEvent> events;
    PackedChunks chunks;
    // The same compressed, in chunks and without, and the sum and the length of the text: for whoever makes them.
    PackedChunks compressed[2];
    std::uint32_t crc = 0, size = 0;
  };

  /// The piece that holds the events of these numbers, if there is one still. A number means another event in every
  /// generation of the history. Valid until the next call of `pack`.
  Piece* find(std::uint32_t generation, std::span<const std::uint64_t> sequences) noexcept;

  /// The piece that holds the events of `batch`, one at least. Valid until the next call.
  Piece& pack(std::uint32_t generation, std::span<const StoredEvent> batch);

 private:
  // A history of a quarter of a mebibyte, at what is drawn at a time.
  std::array<Piece, 8> pieces_;
  std::size_t next_ = 0;
  std::vector<std::uint64_t> sequences_;  // kept for its capacity
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/replay_packer.ipp>
#endif
