#include <string>
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

Request get(std::string_view query) {
  return Request("GET", "/s?" + std::string(query));
}

// "403: why" when the request is refused, else "".
std::string refused(const Request& request) {
  try {
    choose_transport(request);
    return "";
  } catch (const TransportRefused& error) {
    return std::to_string(error.status) + ": " + error.what();
  }
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

TEST_CASE("an iframe calls one function of its parent, by one name", "[stream][transport]") {
  for (const std::string& name :
       std::vector<std::string>{"spate", "a", "_", "$", "$1", "On_Event2", std::string(64, 'x')}) {
    INFO(name);
    CHECK(choose_transport(get("transport=iframe&callback=" + name)).callback == name);
  }
  CHECK(choose_transport(get("transport=iframe")).callback == "spate");
  for (const std::string& name :
       std::vector<std::string>{"", "1a", "9", "a.b", ".a", "a.", "a-b", "a%20b", "a%0Ab", "a(b)", "a[0]", "%C3%A4",
                                "a%00", "a;b", "a%3Cb", "a%5Cu0061", std::string(65, 'x')}) {
    INFO(name);
    CHECK(refused(get("transport=iframe&callback=" + name)).starts_with("400: callback must be one name"));
  }
  CHECK(refused(get("transport=iframe&callback=a&callback=b")) == "400: callback is given twice");
}

TEST_CASE("an iframe's page fills nothing but an iframe", "[stream][transport]") {
  CHECK(refused(get("transport=iframe").add_header("Sec-Fetch-Dest", "iframe")).empty());
  // In a window of its own `parent` is that window, and the callback one of its functions.
  CHECK(refused(get("transport=iframe").add_header("Sec-Fetch-Dest", "document")).starts_with("403: "));
  CHECK(refused(get("transport=iframe").add_header("Sec-Fetch-Dest", "object")).starts_with("403: "));
  CHECK(refused(get("transport=sse").add_header("Sec-Fetch-Dest", "document")).empty());
}

TEST_CASE("what is refused about a transport is quoted", "[stream][transport]") {
  CHECK(refused(get("transport=pigeon")) == "400: transport must be sse, poll or iframe, not \"pigeon\"");
  CHECK(refused(get("transport=SSE")) == "400: transport must be sse, poll or iframe, not \"SSE\"");
  CHECK(refused(get("transport=")) == "400: transport must be sse, poll or iframe, not \"\"");
  CHECK(refused(get("transport=poll&timeout=60001")) == "400: timeout must be 0 to 60000 ms, not \"60001\"");
  CHECK(refused(get("transport=poll&timeout=-1")) == "400: timeout must be 0 to 60000 ms, not \"-1\"");
  CHECK(refused(get("transport=poll&timeout=")) == "400: timeout must be 0 to 60000 ms, not \"\"");
  CHECK(refused(get("transport=iframe&callback=a.b")) ==
        "400: callback must be one name of 1 to 64 letters, digits, _ and $, not \"a.b\"");
}
