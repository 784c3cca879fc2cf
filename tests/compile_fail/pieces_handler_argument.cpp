// Who answers in pieces takes the request first, then what they are written to.
// error: a handler takes \(const spate::Request&\), \(const spate::Request&, spate::PendingResponse\) or
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get("/", [](spate::StreamedResponse response) { response.finish(); });
#else
  server.get("/", [](const spate::Request&, spate::StreamedResponse response) { response.finish(); });
#endif
}
