// A coroutine that answers in pieces has nothing to return.
// error: a handler that takes \(const spate::Request&, spate::StreamedResponse\) returns void or asio::awaitable<void>
#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](const spate::Request&, spate::StreamedResponse) -> asio::awaitable<spate::Response> {
    co_return spate::Response(204);
  });
#else
  server.get("/", [](const spate::Request&, spate::StreamedResponse) -> asio::awaitable<void> { co_return; });
#endif
}
#elif defined(MUST_NOT_COMPILE)
#error a handler that takes (const spate::Request&, spate::StreamedResponse) returns void or asio::awaitable<void>
#endif
