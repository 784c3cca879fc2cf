// Refusing what a program sets by mistake, when it is set, with a sentence that quotes it.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include <spate/config.hpp>

namespace spate::detail {

/// Throws std::invalid_argument unless `value`, of the option `name`, is zero or more.
SPATE_DECL void require_not_negative(const char* name, std::chrono::milliseconds value);

/// The same unless it is more than zero.
SPATE_DECL void require_positive(const char* name, std::chrono::milliseconds value);

/// Throws std::invalid_argument unless `least` is `most` or less.
SPATE_DECL void require_in_order(const char* least_name, std::chrono::milliseconds least, const char* most_name,
                                 std::chrono::milliseconds most);

/// Throws std::invalid_argument when `function`, which `what` is given, is a std::function or pointer that is empty.
template <typename Function>
void require_callable(const std::string& what, const Function& function) {
  if constexpr (
      requires { static_cast<bool>(function == nullptr); } && requires { Function(nullptr); }) {
    if (function == nullptr) throw std::invalid_argument(what + " is an empty function");
  }
}

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/require.ipp>
#endif
