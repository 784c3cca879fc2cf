// A coroutine that makes a stream takes it by value, or as a const reference.
// error: a stream's handler takes one argument, spate::EventStream
#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.stream("/", [](spate::EventStream&) -> asio::awaitable<void> { co_return; });
#else
  server.stream("/", [](spate::EventStream) -> asio::awaitable<void> { co_return; });
#endif
}
#elif defined(MUST_NOT_COMPILE)
#error "a stream's handler takes one argument, spate::EventStream, where there are no coroutines too"
#endif
