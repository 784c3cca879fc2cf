// Who answers in pieces has nothing to return.
// error: a handler that takes \(const spate::Request&, spate::StreamedResponse\) returns void or asio::awaitable<void>
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](const spate::Request&, const spate::StreamedResponse&) { return spate::Response(204); });
#else
  server.get("/", [](const spate::Request&, const spate::StreamedResponse& response) { response.finish(); });
#endif
}
