// What of the language not every compiler and library has: coroutines and std::stop_token. Without them the rest of
// Spate is the same, and whatever needs them is not there.
//
// Asio decides about coroutines (ASIO_HAS_CO_AWAIT): older ones know only those of the compilers of their time.
#pragma once

#include <version>

#include <asio/awaitable.hpp>
#include <asio/use_awaitable.hpp>  // for programs, which await with it

#if defined(ASIO_HAS_CO_AWAIT)
#define SPATE_HAS_COROUTINES 1
#else
#define SPATE_HAS_COROUTINES 0
#endif

#if defined(__cpp_lib_jthread)
#define SPATE_HAS_STOP_TOKEN 1
#include <stop_token>
#else
#define SPATE_HAS_STOP_TOKEN 0
#endif

namespace spate::detail {

#if SPATE_HAS_COROUTINES
template <typename Result>
using Awaitable = asio::awaitable<Result>;
#else
/// No function returns one.
template <typename Result>
class Awaitable {
  Awaitable() = delete;
};
#endif

/// False, but not before a template is used: for what must not be reached.
template <typename>
inline constexpr bool always_false = false;

}  // namespace spate::detail
