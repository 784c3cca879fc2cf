// The functions of redis_log_sizes.hpp.
#pragma once

#include <spate/cluster/detail/redis_log_sizes.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisLogSizes::add(std::uint64_t sequence, std::size_t message_bytes) {
  if (!entries_.empty() && sequence <= entries_.back().sequence) return;  // read again after a fault
  entries_.push_back({sequence, message_bytes + overhead});
  bytes_ += entries_.back().bytes;
  if (entries_.size() > max_entries_) drop_oldest();
}

SPATE_DECL std::optional<std::uint64_t> RedisLogSizes::trim_to(std::size_t max_bytes) {
  if (bytes_ <= max_bytes || entries_.size() < 2) return std::nullopt;
  while (bytes_ > max_bytes && entries_.size() > 1) drop_oldest();
  return entries_.front().sequence;
}

SPATE_DECL void RedisLogSizes::clear() {
  entries_.clear();
  bytes_ = 0;
}

SPATE_DECL void RedisLogSizes::drop_oldest() {
  bytes_ -= entries_.front().bytes;
  entries_.pop_front();
}

}  // namespace spate::detail
