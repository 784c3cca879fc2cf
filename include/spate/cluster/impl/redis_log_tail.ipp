// The functions of redis_log_tail.hpp.
#pragma once

#include <spate/cluster/detail/redis_log_tail.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL void RedisLogTail::add(std::uint64_t sequence, std::string_view message, Clock::time_point now) {
  drop_older_than(now - kept_for);
  if (sequence > newest_) {
    newest_ = sequence;
    stamp_ = BusMessageCodec::stamp_of(message);
  }
  const auto [at, is_new] = entries_.try_emplace(sequence, Entry{std::string(message), now});
  if (is_new) bytes_ += at->second.message.size();
  while (bytes_ > max_bytes) drop_oldest();
}

SPATE_DECL void RedisLogTail::clear() {
  entries_.clear();
  bytes_ = 0;
  newest_ = dropped_ = 0;
  stamp_.clear();
}

SPATE_DECL bool RedisLogTail::agrees_with(const LogEnd& end, std::uint64_t read) const {
  if (!reaches_back_to(end.newest)) return false;
  if (end.entry == 0) return true;
  if (!reaches_back_to(end.entry)) return false;
  const auto next = entries_.upper_bound(end.entry);
  if (next != entries_.end() && next->first <= end.newest) return false;
  if (end.entry > read || end.entry == dropped_ || end.entry == end.mark) return true;
  const auto same = entries_.find(end.entry);
  return same != entries_.end() && BusMessageCodec::stamp_of(same->second.message) == end.stamp;
}

SPATE_DECL void RedisLogTail::drop_oldest() {
  dropped_ = std::max(dropped_, entries_.begin()->first);
  bytes_ -= entries_.begin()->second.message.size();
  entries_.erase(entries_.begin());
}

}  // namespace spate::detail
