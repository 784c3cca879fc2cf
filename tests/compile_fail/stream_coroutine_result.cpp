// What a stream's coroutine returns would go nowhere.
// error: a stream's handler returns void or asio::awaitable<void>
#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.stream("/", [](spate::EventStream) -> asio::awaitable<int> { co_return 0; });
#else
  server.stream("/", [](spate::EventStream) -> asio::awaitable<void> { co_return; });
#endif
}
#elif defined(MUST_NOT_COMPILE)
#error "a stream's handler returns void or asio::awaitable<void>"
#endif
