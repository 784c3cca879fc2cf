// The functions of broadcast_log.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/broadcast_log.hpp>

namespace spate::detail {

SPATE_DECL void BroadcastLog::append(std::string_view bytes, const Ref<Block>& block, std::size_t size, bool has_data) {
  if (bytes.size() > block_size / 2) {
    // Copying a large event would cost more than a piece of its own.
    const Ref<Block> own = block ? block : make_block(bytes);
    segments_.push_back({own, block ? bytes.data() : own->data(), 0, 0, end_});
    room_ = 0;
  } else if (room_ < bytes.size()) {
    const Ref<Block> fresh = Block::make(block_size);
    segments_.push_back({fresh, fresh->data(), 0, 0, end_});
    room_ = block_size;
  }
  Segment& last = segments_.back();
  if (room_ > 0) {
    // Bytes after `size` have been seen by nobody, so a shared block may still grow.
    std::memcpy(const_cast<char*>(last.data) + last.size, bytes.data(), bytes.size());
    room_ -= bytes.size();
  }
  const std::uint32_t count = has_data ? 1 : 0;
  last.size += static_cast<std::uint32_t>(bytes.size());
  last.events += count;
  newest_size_ = size;
  end_.byte += bytes.size();
  end_.event += count;
}

SPATE_DECL void BroadcastLog::trim(Position position) {
  while (!segments_.empty() && segments_.front().start.byte + segments_.front().size <= position.byte) {
    // The last block goes on being filled.
    if (segments_.size() == 1 && room_ > 0) return;
    segments_.pop_front();
  }
}

}  // namespace spate::detail
