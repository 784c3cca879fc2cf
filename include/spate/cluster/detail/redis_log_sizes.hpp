// RedisLogSizes: how large the entries of a cluster's log are, oldest first. Redis counts entries and not bytes, so
// that a node, which reads them all, does. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include <spate/config.hpp>

namespace spate::detail {

class RedisLogSizes {
 public:
  /// What Redis keeps for an entry beside its message, about.
  static constexpr std::size_t overhead = 64;

  /// Redis itself keeps no more than `max_entries`, about.
  explicit RedisLogSizes(std::size_t max_entries) : max_entries_(max_entries) {}

  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t entries() const noexcept { return entries_.size(); }

  void add(std::uint64_t sequence, std::size_t message_bytes);

  /// The entries up to this one are gone.
  void trimmed(std::uint64_t sequence) {
    while (!entries_.empty() && entries_.front().sequence <= sequence) drop_oldest();
  }

  /// Counts the oldest entries as gone until no more than `max_bytes` are left, but for the newest, which stays
  /// whatever its size. Returns the first that stays; nothing when none has to go.
  std::optional<std::uint64_t> trim_to(std::size_t max_bytes);

  /// The log is another one.
  void clear();

 private:
  struct Entry {
    std::uint64_t sequence;
    std::size_t bytes;
  };

  void drop_oldest();

  const std::size_t max_entries_;
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_log_sizes.ipp>
#endif
