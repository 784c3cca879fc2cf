// Jitter: random moments, so that clients who came together do not return together. Not for secrets. (WHATWG 9.2.3)
#pragma once

#include <chrono>
#include <cstdint>

#include <spate/config.hpp>

namespace spate::detail {

// SplitMix64. (The standard's generators and distributions would cost every includer <random>.)
class Jitter {
 public:
  Jitter() noexcept
      : state_(static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) ^
               reinterpret_cast<std::uintptr_t>(this)) {}
  /// The same moments each time.
  explicit Jitter(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept;

  /// Between `least` and `most`, both included; `least` when that is the greater one.
  std::chrono::milliseconds between(std::chrono::milliseconds least, std::chrono::milliseconds most) noexcept;

 private:
  std::uint64_t state_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/jitter.ipp>
#endif
