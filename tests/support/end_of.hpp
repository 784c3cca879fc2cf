// What a coroutine does whose stream is others' to send on and to end: it waits until that has happened.
//
//   server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
//     opened.set(stream);
//     co_await end_of(stream);
//   });
#pragma once

#include <stop_token>
#include <system_error>

#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/stream/event_stream.hpp>

namespace spate::test {

/// Completes when `stream` is over, and by nothing else. On the stream's own loop.
inline asio::awaitable<void> end_of(EventStream stream) {
  asio::steady_timer wait(stream.get_executor(), asio::steady_timer::time_point::max());
  const std::stop_callback wake(stream.stop_token(), [&] { wait.expires_at(asio::steady_timer::time_point::min()); });
  std::error_code ignored;
  co_await wait.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace spate::test
