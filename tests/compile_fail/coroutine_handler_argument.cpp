// A coroutine that answers a request takes the request.
// error: a handler takes \(const spate::Request&\), \(const spate::Request&, spate::PendingResponse\) or
#include <string>

#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](std::string) -> asio::awaitable<spate::Response> { co_return spate::Response(204); });
#else
  server.get("/", [](const spate::Request&) -> asio::awaitable<spate::Response> { co_return spate::Response(204); });
#endif
}
#elif defined(MUST_NOT_COMPILE)
#error a handler takes (const spate::Request&), (const spate::Request&, spate::PendingResponse) or
#endif
