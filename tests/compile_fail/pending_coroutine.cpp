// A coroutine that answers returns the answer: one that is handed a PendingResponse would not even begin.
// error: a handler that takes \(const spate::Request&, spate::PendingResponse\) returns void
#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](const spate::Request&, spate::PendingResponse) -> asio::awaitable<void> { co_return; });
#else
  server.get("/", [](const spate::Request&) -> asio::awaitable<spate::Response> { co_return spate::Response(204); });
#endif
}
#elif defined(MUST_NOT_COMPILE)
#error a handler that takes (const spate::Request&, spate::PendingResponse) returns void
#endif
