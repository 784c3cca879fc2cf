// Who answers later has nothing to return: a coroutine would not even begin.
// error: a handler that takes \(const spate::Request&, spate::PendingResponse\) returns void
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](const spate::Request&, spate::PendingResponse) { return spate::Response(204); });
#else
  server.get("/", [](const spate::Request&, spate::PendingResponse pending) { pending.respond(spate::Response(204)); });
#endif
}
