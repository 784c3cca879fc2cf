// RedisLogTail: the newest entries of a cluster's log as this node knows them: those that it has read, and those of its
// own that Redis has confirmed.
//
// A Redis that takes over from another, or restarts, may lack what the nodes have been told already. It is appended
// again from what they keep here. No I/O.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include <spate/config.hpp>

namespace spate::detail {

class RedisLogTail {
 public:
  using Clock = std::chrono::steady_clock;

  /// What replication can lag behind, by far; and the memory that it may cost.
  static constexpr std::chrono::seconds kept_for{10};
  static constexpr std::size_t max_bytes = 16 * 1024 * 1024;

  void add(std::uint64_t sequence, std::string_view message, Clock::time_point now);

  void drop_older_than(Clock::time_point then) {
    while (!entries_.empty() && entries_.begin()->second.at < then) drop_oldest();
  }

  /// The log is another one.
  void clear();

  /// The newest entry ever added; 0 when there is none.
  std::uint64_t newest() const noexcept { return newest_; }
  /// What tells its message from every other.
  const std::string& stamp() const noexcept { return stamp_; }
  std::size_t bytes() const noexcept { return bytes_; }

  /// The end of a log, as Redis tells it.
  struct LogEnd {
    std::uint64_t newest = 0;  // no number beyond it has been given out
    std::uint64_t entry = 0;   // the last entry; 0: none is left
    std::string stamp;         // of its message
    std::uint64_t mark = 0;    // the last mark
  };

  /// Whether a log that ends so may be what was read here, perhaps without its end: it lacks none of the entries that
  /// were added up to its newest number, and has no last entry that was not, if all up to `read` were.
  bool agrees_with(const LogEnd& end, std::uint64_t read) const;

  /// Whether all entries after `sequence` that were added are still here.
  bool reaches_back_to(std::uint64_t sequence) const noexcept { return dropped_ <= sequence; }

  /// Visits the kept entries after `sequence`, oldest first: `visit(sequence, message)`.
  template <typename Visit>
  void for_each_after(std::uint64_t sequence, Visit&& visit) const {
    for (auto at = entries_.upper_bound(sequence); at != entries_.end(); ++at) visit(at->first, at->second.message);
  }

 private:
  struct Entry {
    std::string message;
    Clock::time_point at;
  };

  void drop_oldest();

  std::map<std::uint64_t, Entry> entries_;  // by sequence number: confirmations and readings come in any order
  std::size_t bytes_ = 0;
  std::uint64_t newest_ = 0;
  std::uint64_t dropped_ = 0;  // the newest that is no longer here
  std::string stamp_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_log_tail.ipp>
#endif
