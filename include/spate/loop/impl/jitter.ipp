// The functions of jitter.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/jitter.hpp>

namespace spate::detail {

SPATE_DECL std::uint64_t Jitter::next() noexcept {
  std::uint64_t mixed = state_ += 0x9E3779B97F4A7C15;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
  return mixed ^ (mixed >> 31);
}

SPATE_DECL std::chrono::milliseconds Jitter::between(std::chrono::milliseconds least,
                                                     std::chrono::milliseconds most) noexcept {
  if (least >= most) return least;
  const auto span = static_cast<std::uint64_t>((most - least).count()) + 1;
  return least + std::chrono::milliseconds(next() % span);
}

}  // namespace spate::detail
