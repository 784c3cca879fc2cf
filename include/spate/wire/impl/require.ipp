// The functions of require.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

SPATE_DECL void require_not_negative(const char* name, std::chrono::milliseconds value) {
  if (value.count() >= 0) return;
  throw std::invalid_argument(std::string(name) + " must not be negative: " + std::to_string(value.count()) + " ms");
}

SPATE_DECL void require_positive(const char* name, std::chrono::milliseconds value) {
  if (value.count() > 0) return;
  throw std::invalid_argument(std::string(name) + " must be positive: " + std::to_string(value.count()) + " ms");
}

SPATE_DECL void require_in_order(const char* least_name, std::chrono::milliseconds least, const char* most_name,
                                 std::chrono::milliseconds most) {
  if (least <= most) return;
  throw std::invalid_argument(std::string(least_name) + " (" + std::to_string(least.count()) +
                              " ms) must not be above " + most_name + " (" + std::to_string(most.count()) + " ms)");
}

}  // namespace spate::detail
