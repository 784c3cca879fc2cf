// What takes every other request answers it.
// error: a handler that takes \(const spate::Request&\) returns spate::Response or
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.fallback([](const spate::Request&) {});
#else
  server.fallback([](const spate::Request&) { return spate::Response(404); });
#endif
}
