// A coroutine that answers a request returns the answer.
// error: a handler that takes \(const spate::Request&\) returns spate::Response or
#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](const spate::Request&) -> asio::awaitable<void> { co_return; });
#else
  server.get("/", [](const spate::Request&) -> asio::awaitable<spate::Response> { co_return spate::Response(204); });
#endif
}
#elif defined(MUST_NOT_COMPILE)
#error a handler that takes (const spate::Request&) returns spate::Response or no coroutine where there are none
#endif
