// An answer is a Response, not only its body.
// error: a handler that takes \(const spate::Request&\) returns spate::Response or
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.post("/", [](const spate::Request&) { return "hello"; });
#else
  server.post("/", [](const spate::Request&) { return spate::Response::text(200, "hello"); });
#endif
}
