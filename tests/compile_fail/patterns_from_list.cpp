// Two patterns in braces would be taken for the two ends of one text.
// error: (use of deleted function|call to deleted|attempt to use a deleted function)
#include <spate/server/server.hpp>

void serve(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.get({"/one", "/other"}, [](const spate::Request&) { return spate::Response(204); });
#else
  server.get("/one", [](const spate::Request&) { return spate::Response(204); });
#endif
}
