// What takes every other request is a handler of an ordinary route.
// error: a handler of spate::EventStream goes to Server::stream
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.fallback([](const spate::EventStream& stream) { stream.complete(); });
#else
  server.fallback([](const spate::Request&) { return spate::Response(204); });
#endif
}
