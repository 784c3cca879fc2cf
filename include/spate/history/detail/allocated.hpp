// allocated: what a piece of memory costs.
#pragma once

#include <cstddef>

namespace spate::detail {

/// A piece of memory of so many bytes, with what a common allocator adds to it.
constexpr std::size_t allocated(std::size_t bytes) noexcept {
  constexpr std::size_t header = sizeof(std::size_t), grain = 16, least = 32;
  const std::size_t whole = (bytes + header + grain - 1) / grain * grain;
  return whole < least ? least : whole;
}

}  // namespace spate::detail
