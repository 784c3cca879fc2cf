// The functions of watermarks.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/watermarks.hpp>

namespace spate::detail {

SPATE_DECL void Watermarks::raise(std::string_view name, std::uint64_t number) noexcept {
  std::uint64_t& mark = places_[place(name)];
  mark = std::max(mark, number);
}

}  // namespace spate::detail
