// Telling a program what its own code has thrown.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <utility>

namespace spate::detail {

using OnException = std::function<void(std::exception_ptr)>;

/// Says on standard error what was thrown: for programs that do not want to be told themselves.
inline void log_exception(const std::exception_ptr& exception) {
  const auto say = [](const char* what) { std::fprintf(stderr, "spate: a handler threw: %s\n", what); };
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    say(error.what());
  } catch (...) {
    say("what is no std::exception");
  }
}

inline void report(const OnException& on_exception, std::exception_ptr exception) noexcept {
  try {
    on_exception ? on_exception(std::move(exception)) : log_exception(exception);
  } catch (...) {  // nobody is left to be told
  }
}

}  // namespace spate::detail
