// Telling a program what its own code has thrown.
#pragma once

#include <cstdio>
#include <exception>
#include <functional>
#include <utility>

#include <spate/config.hpp>

namespace spate::detail {

using OnException = std::function<void(std::exception_ptr)>;

/// Says on standard error what was thrown: for programs that do not want to be told themselves.
SPATE_DECL void log_exception(const std::exception_ptr& exception);

SPATE_DECL void report(const OnException& on_exception, std::exception_ptr exception) noexcept;

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/report.ipp>
#endif
