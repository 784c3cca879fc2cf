// Jitter: random moments, so that clients who came together do not return together. Not for secrets. (L4)
#pragma once

#include <chrono>
#include <cstdint>

namespace spate::detail {

// SplitMix64. (The standard's generators and distributions would cost every includer <random>.)
class Jitter {
 public:
  Jitter() noexcept
      : state_(static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) ^
               reinterpret_cast<std::uintptr_t>(this)) {}

  std::uint64_t next() noexcept {
    std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
    return mixed ^ (mixed >> 31);
  }

  /// Between `least` and `most`, both included; `least` when that is the greater one.
  std::chrono::milliseconds between(std::chrono::milliseconds least, std::chrono::milliseconds most) noexcept {
    if (least >= most) return least;
    const auto span = static_cast<std::uint64_t>((most - least).count()) + 1;
    return least + std::chrono::milliseconds(next() % span);
  }

 private:
  std::uint64_t state_;
};

}  // namespace spate::detail
