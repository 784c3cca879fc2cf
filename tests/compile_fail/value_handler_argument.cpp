// A handler only looks at its request.
// error: a handler takes \(const spate::Request&\), \(const spate::Request&, spate::PendingResponse\) or
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](spate::Request&) { return spate::Response(204); });
#else
  server.get("/", [](const spate::Request&) { return spate::Response(204); });
#endif
}
