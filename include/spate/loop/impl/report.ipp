// The functions of report.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/report.hpp>

namespace spate::detail {

SPATE_DECL void log_exception(const std::exception_ptr& exception) {
  const auto say = [](const char* what) { std::fprintf(stderr, "spate: a handler threw: %s\n", what); };
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    say(error.what());
  } catch (...) {
    say("what is no std::exception");
  }
}

SPATE_DECL void report(const OnException& on_exception, std::exception_ptr exception) noexcept {
  try {
    on_exception ? on_exception(std::move(exception)) : log_exception(exception);
  } catch (...) {  // nobody is left to be told
  }
}

}  // namespace spate::detail
