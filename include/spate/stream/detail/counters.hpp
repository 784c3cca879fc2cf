// Counters of one shard: written by its thread alone, read by any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <spate/stream/end_reason.hpp>

namespace spate::detail {

class Counter {
 public:
  // A plain load and store: there is one writer, so no locked instruction is needed on the delivery path.
  void add(std::uint64_t n) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void raise_to(std::uint64_t n) noexcept {
    if (n > value_.load(std::memory_order_relaxed)) value_.store(n, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

struct ShardCounters {
  Counter opened;            // streams whose head went out
  Counter deliveries;        // events queued for a stream
  Counter bytes_sent;        // bytes that the kernel took, heads and heartbeats included
  Counter compressed_bytes;  // those among them that were compressed
  Counter dropped;           // events that an overflow policy dropped
  Counter replayed;          // events drawn from a replay store
  Counter gaps;              // gaps told to clients
  Counter queue_high_water;  // most bytes that ever waited for one client
  std::array<Counter, end_reason_count> ended;
};

}  // namespace spate::detail
