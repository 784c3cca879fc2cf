// A stream's handler takes the stream.
// error: a stream's handler takes one argument, spate::EventStream
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.stream("/", [](const spate::Request&) {});
#else
  server.stream("/", [](const spate::EventStream&) {});
#endif
}
