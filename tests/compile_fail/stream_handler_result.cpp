// What a stream's handler returns would go nowhere.
// error: a stream's handler returns void or asio::awaitable<void>
#include <spate/server/server.hpp>

void add(spate::Server& server) {
#ifdef MUST_NOT_COMPILE
  server.stream("/", [](spate::EventStream) { return spate::Response(204); });
#else
  server.stream("/", [](spate::EventStream) {});
#endif
}
