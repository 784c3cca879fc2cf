// Two methods in braces would be taken for the two ends of one text: only `route` takes several.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/server/server.hpp>

void serve(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.stream({"GET", "POST"}, "/events", [](const spate::EventStream&) {});
#else
  server.stream("POST", "/events", [](const spate::EventStream&) {});
  server.route({"GET", "POST"}, "/state", [](const spate::Request&) { return spate::Response(204); });
#endif
}
