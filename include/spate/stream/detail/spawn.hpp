// spawn: runs a coroutine, where there are any.
#pragma once

#include <utility>

#include <asio/co_spawn.hpp>

#include <spate/stream/detail/language.hpp>

namespace spate::detail {

#if SPATE_HAS_COROUTINES
/// Runs `coroutine` on `executor`, then `done`.
template <typename Executor, typename Coroutine, typename Done>
void spawn(const Executor& executor, Coroutine coroutine, Done done) {
  asio::co_spawn(executor, std::move(coroutine), std::move(done));
}
#else
template <typename Executor, typename Coroutine, typename Done>
void spawn(const Executor&, const Coroutine&, const Done&) {}
#endif

}  // namespace spate::detail
