// Refusing what a program sets by mistake, when it is set, with a sentence that quotes it.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

namespace spate::detail {

/// Throws std::invalid_argument unless `value`, of the option `name`, is zero or more.
inline void require_not_negative(const char* name, std::chrono::milliseconds value) {
  if (value.count() >= 0) return;
  throw std::invalid_argument(std::string(name) + " must not be negative: " + std::to_string(value.count()) + " ms");
}

/// The same unless it is more than zero.
inline void require_positive(const char* name, std::chrono::milliseconds value) {
  if (value.count() > 0) return;
  throw std::invalid_argument(std::string(name) + " must be positive: " + std::to_string(value.count()) + " ms");
}

/// Throws std::invalid_argument unless `least` is `most` or less.
inline void require_in_order(const char* least_name, std::chrono::milliseconds least, const char* most_name,
                             std::chrono::milliseconds most) {
  if (least <= most) return;
  throw std::invalid_argument(std::string(least_name) + " (" + std::to_string(least.count()) +
                              " ms) must not be above " + most_name + " (" + std::to_string(most.count()) + " ms)");
}

/// Throws std::invalid_argument when `function`, which `what` is given, is a std::function or pointer that is empty.
template <typename Function>
void require_callable(const std::string& what, const Function& function) {
  if constexpr (
      requires { static_cast<bool>(function == nullptr); } && requires { Function(nullptr); }) {
    if (function == nullptr) throw std::invalid_argument(what + " is an empty function");
  }
}

}  // namespace spate::detail
