#include <string_view>
#include <vector>

#include <spate/stream/detail/transport_choice.hpp>
#include "support/catch.hpp"

using namespace spate;
using namespace spate::detail;

namespace {

Transport chosen(const std::vector<std::string_view>& accept_lines, const char* method = "GET") {
  Request request(method, "/events");
  for (const std::string_view line : accept_lines) request.add_header("Accept", line);
  return choose_transport(request).transport;
}

}  // namespace

TEST_CASE("all Accept lines together say whether a poll is meant, in any order (RFC 9110 5.3)", "[stream][transport]") {
  CHECK(chosen({}) == Transport::sse);
  CHECK(chosen({"application/json"}) == Transport::poll);
  CHECK(chosen({"application/json", "text/html"}) == Transport::poll);
  CHECK(chosen({"text/html", "application/json"}) == Transport::poll);
  CHECK(chosen({"application/json, text/event-stream"}) == Transport::sse);
  CHECK(chosen({"application/json", "text/event-stream"}) == Transport::sse);
  CHECK(chosen({"text/event-stream", "application/json"}) == Transport::sse);
  CHECK(chosen({"application/json", "*/*"}) == Transport::sse);
  CHECK(chosen({"application/json", "text/*;q=0.5"}) == Transport::sse);
  // The most exact range decides, whichever line it stands in.
  CHECK(chosen({"application/json, */*", "text/event-stream;q=0"}) == Transport::poll);
  CHECK(chosen({"text/event-stream;q=0", "application/json, */*"}) == Transport::poll);
  // An empty line adds nothing to the list.
  CHECK(chosen({"", "application/json"}) == Transport::poll);
  CHECK(chosen({"application/json", ""}) == Transport::poll);
  CHECK(chosen({"", ""}) == Transport::sse);
  CHECK(chosen({"application/json"}, "POST") == Transport::sse);
}
