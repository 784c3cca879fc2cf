// Streams have routes of their own.
// error: a handler of spate::EventStream goes to Server::stream
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](const spate::EventStream& stream) { stream.complete(); });
#else
  server.stream("/", [](const spate::EventStream& stream) { stream.complete(); });
#endif
}
