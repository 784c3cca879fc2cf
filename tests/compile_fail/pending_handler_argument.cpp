// Who answers later takes the request first, then what is answered with.
// error: a handler takes \(const spate::Request&\), \(const spate::Request&, spate::PendingResponse\) or
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](spate::PendingResponse pending, const spate::Request&) { pending.respond(spate::Response(204)); });
#else
  server.get("/", [](const spate::Request&, spate::PendingResponse pending) { pending.respond(spate::Response(204)); });
#endif
}
