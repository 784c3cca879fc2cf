#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <spate/http/request.hpp>
#include "support/catch.hpp"
#include "support/refusal.hpp"

using namespace spate;
using namespace std::string_literals;
using namespace std::string_view_literals;
using Catch::Matchers::ContainsSubstring;
using spate::test::refusal;

namespace {

Request get(std::string target) {
  return Request("GET", std::move(target));
}

}  // namespace

TEST_CASE("a request holds what it was built with", "[http][request]") {
  const Request request = Request("POST", "/jobs/7?x=1")
                              .add_header("Host", "a")
                              .add_header("X-Note", " \ttwo words ")
                              .set_body("{}")
                              .set_param("job", "7")
                              .set_version(1, 0);
  CHECK(request.method() == "POST");
  CHECK(request.target() == "/jobs/7?x=1");
  CHECK(request.path() == "/jobs/7");
  CHECK(request.query_string() == "x=1");
  CHECK(request.header("x-note") == "two words");
  CHECK(request.body() == "{}");
  CHECK(request.param("job") == "7");
  CHECK_FALSE(request.has_param("other"));
  CHECK_THROWS_AS(request.param("other"), std::invalid_argument);
  CHECK(Request().param("other").empty());
  CHECK(request.version_major() == 1);
  CHECK(request.version_minor() == 0);
}

TEST_CASE("the builder works on a named request and on a temporary alike", "[http][request]") {
  Request named("GET", "/");
  named.add_header("A", "1").set_body("b").set_param("p", "1").set_version(1, 0);
  named.set_param("p", "2").set_param("q", "3");
  CHECK(named.header("a") == "1");
  CHECK(named.param("p") == "2");
  CHECK(named.param("q") == "3");
  CHECK(named.body() == "b");
  CHECK(named.version_minor() == 0);
}

TEST_CASE("a request cannot be built from what a parser would refuse (RFC 9112 5.1)", "[http][request]") {
  CHECK_THAT(refusal([] { Request("GE T", "/"); }), ContainsSubstring("method: \"GE T\""));
  CHECK_THAT(refusal([] { Request("", "/"); }), ContainsSubstring("method"));
  CHECK_THAT(refusal([] { Request("GET", "/a b"); }), ContainsSubstring("target: \"/a b\""));
  CHECK_THAT(refusal([] { Request("GET", "/\xC3\xA4"); }), ContainsSubstring("target"));
  CHECK_THAT(refusal([] { Request("GET", ""); }), ContainsSubstring("target"));
  CHECK_THAT(refusal([] { get("/").add_header("A:", "b"); }), ContainsSubstring("\"A:\""));
  CHECK_THAT(refusal([] { get("/").add_header("", "b"); }), ContainsSubstring("\"\""));
  CHECK_THAT(refusal([] { get("/").add_header("A", "b\r\nC: d"); }), ContainsSubstring("\"b\\r\\nC: d\""));
  CHECK_THAT(refusal([] { get("/").add_header("A", "b\nc"); }), ContainsSubstring("\"b\\nc\""));
  CHECK_THAT(refusal([] { get("/").add_header("A", "b\0"s); }), ContainsSubstring("\"b\\x00\""));
  CHECK(refusal([] { get("/").add_header("A", "\xC3\xA4\tb"); }) == "not refused");
}

TEST_CASE("a request copies and moves as a whole", "[http][request]") {
  Request request = get("/a?b").add_header("Host", "h").set_body("body").set_param("p", "v");
  const Request copy = request;
  const Request moved = std::move(request);
  for (const Request* each : {&copy, &moved}) {
    CHECK(each->target() == "/a?b");
    CHECK(each->header("host") == "h");
    CHECK(each->body() == "body");
    CHECK(each->param("p") == "v");
  }
  // What remains may be asked and assigned.
  CHECK(request.target().empty());  // NOLINT(bugprone-use-after-move)
  CHECK(request.headers().size() == 0);
  request = copy;
  CHECK(request.method() == "GET");
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Request>);

  const Request empty;
  CHECK(empty.method().empty());
  CHECK(empty.path().empty());
  CHECK(empty.query_string().empty());
  CHECK(empty.authority() == std::nullopt);
}

TEST_CASE("the path is the target without the rest (RFC 9112 3.2)", "[http][request]") {
  struct Case {
    std::string_view target, path, query;
  };
  const Case table[] = {
      {"/", "/", ""},
      {"/a/b", "/a/b", ""},
      {"/a%2Fb+c", "/a%2Fb+c", ""},
      {"/a?b", "/a", "b"},
      {"/a?", "/a", ""},
      {"/a?b?c=d/e", "/a", "b?c=d/e"},
      {"//x", "//x", ""},
      {"/a://b", "/a://b", ""},
      {"/?u=http://b/c", "/", "u=http://b/c"},
      {"http://h/a?b", "/a", "b"},
      {"http://h", "/", ""},
      {"http://h?b", "/", "b"},
      {"http://h?u=x://y/z", "/", "u=x://y/z"},
      {"http://h:8/a/b", "/a/b", ""},
      {"*", "*", ""},
  };
  for (const Case& c : table) {
    INFO(c.target);
    const Request request = get(std::string(c.target));
    CHECK(request.path() == c.path);
    CHECK(request.query_string() == c.query);
  }
  // The absolute form of the asterisk. (RFC 9112 3.2.4)
  CHECK(Request("OPTIONS", "http://h").path() == "*");
  CHECK(Request("OPTIONS", "http://h/").path() == "/");
  CHECK(Request("OPTIONS", "http://h?x").path() == "/");
}

TEST_CASE("query parameters are decoded, and plus is a space", "[http][request][query]") {
  const Request request = get("/?a=1&b=x+y&a=2&c&d=&=e&%61=3&f=%2B%26%3D&g=a=b&&h=%C3%A4&i%20j+k=l");
  CHECK(request.query("a") == "1");
  CHECK(request.query_all("a") == std::vector<std::string>{"1", "2", "3"});
  CHECK(request.query("b") == "x y");
  CHECK(request.query("c") == "");
  CHECK(request.query("d") == "");
  CHECK(request.query("") == "e");
  CHECK(request.query("f") == "+&=");
  CHECK(request.query("g") == "a=b");
  CHECK(request.query("h") == "\xC3\xA4");
  CHECK(request.query("i j k") == "l");
  CHECK(request.query("A") == std::nullopt);
  CHECK(request.query("x") == std::nullopt);
  CHECK(request.query_all("x").empty());
  CHECK(get("/").query("a") == std::nullopt);
  CHECK(get("/?").query("") == std::nullopt);
  CHECK(get("http://h?a=1").query("a") == "1");
  CHECK(get("/?a=%00").query("a") == "\0"s);
}

TEST_CASE("a broken escape in the query is told", "[http][request][query]") {
  struct Case {
    std::string_view query, value;
    bool well_formed;
  };
  const Case table[] = {
      {"a=%41", "A", true},        {"a=%4", "%4", false},   {"a=%", "%", false},     {"a=%zz", "%zz", false},
      {"a=%4g%41", "%4gA", false}, {"a=b&%=c", "b", false}, {"a=%%41", "%A", false}, {"a=%fF", "\xFF", true},
  };
  for (const Case& c : table) {
    INFO(c.query);
    const Request request = get("/?" + std::string(c.query));
    CHECK(request.well_formed_query() == c.well_formed);
    CHECK(request.query("a") == c.value);
  }
  CHECK(get("/%zz").well_formed_query());
}

TEST_CASE("header fields are found in any case, the first of several", "[http][request]") {
  const Request request = get("/").add_header("Accept", "a").add_header("X", "").add_header("ACCEPT", "b");
  CHECK(request.header("accept") == "a");
  CHECK(request.header_count("aCCEPT") == 2);
  CHECK(request.header("x") == "");
  CHECK(request.header("y") == std::nullopt);
  CHECK(request.header_count("y") == 0);
  CHECK(request.header("") == std::nullopt);

  std::vector<std::pair<std::string_view, std::string_view>> fields;
  for (const auto& field : request.headers()) fields.push_back(field);
  const std::vector<std::pair<std::string_view, std::string_view>> expected = {
      {"Accept", "a"}, {"X", ""}, {"ACCEPT", "b"}};
  CHECK(fields == expected);
  CHECK(request.headers().size() == 3);
  CHECK(std::distance(request.headers().begin(), request.headers().end()) == 3);
}

TEST_CASE("repeated field lines are one list, in the order of the request (RFC 9110 5.2, 5.3)", "[http][request]") {
  const Request request =
      get("/").add_header("Accept", "a;q=1, b").add_header("X", "").add_header("ACCEPT", "").add_header("accept", "c");
  CHECK(request.header_all("accept") == std::vector<std::string_view>{"a;q=1, b", "", "c"});
  CHECK(request.header_list("Accept") == "a;q=1, b, , c");
  CHECK(request.header_list("x") == "");
  CHECK(request.header_all("y").empty());
  CHECK(request.header_list("y") == std::nullopt);
}

TEST_CASE("a Last-Event-ID that is repeated is one value, and nobody's position (RFC 9110 5.2)", "[http][request]") {
  CHECK(get("/").add_header("Last-Event-ID", "7").add_header("Last-Event-ID", "8").last_event_id() == "7, 8");
  CHECK(get("/").add_header("Last-Event-ID", "").add_header("Last-Event-ID", "8").last_event_id() == ", 8");
}

TEST_CASE("the last event id comes from the header, else from the query (WHATWG 9.2.4, 9.2.3)", "[http][request]") {
  CHECK(get("/").last_event_id().empty());
  CHECK(get("/").add_header("Last-Event-ID", "7").last_event_id() == "7");
  CHECK(get("/?last_event_id=8").last_event_id() == "8");
  CHECK(get("/?lastEventId=9").last_event_id() == "9");
  CHECK(get("/?lastEventId=9&last_event_id=8").last_event_id() == "8");
  CHECK(get("/?last_event_id=8").add_header("last-event-id", "7").last_event_id() == "7");
  // An empty one is none.
  CHECK(get("/?last_event_id=8").add_header("Last-Event-ID", "").last_event_id() == "8");
  CHECK(get("/?last_event_id=&lastEventId=9").last_event_id() == "9");
  CHECK(get("/?last_event_id=").last_event_id().empty());
  // Bytes, not characters.
  CHECK(get("/").add_header("Last-Event-ID", "\xC3\xA4\xFF").last_event_id() == "\xC3\xA4\xFF");
  CHECK(get("/?last_event_id=a%2Bb%20c").last_event_id() == "a+b c");
}

TEST_CASE("the authority of an absolute target replaces Host (RFC 9112 3.2)", "[http][request]") {
  CHECK(get("/").authority() == std::nullopt);
  CHECK(get("/").add_header("Host", "a:1").authority() == "a:1");
  CHECK(get("http://b:2/").add_header("Host", "a:1").authority() == "b:2");
  CHECK(get("http://b").authority() == "b");
  CHECK(get("/http://b").add_header("Host", "a").authority() == "a");
}

TEST_CASE("persistence follows the version and Connection (RFC 9112 9.3)", "[http][request]") {
  CHECK(get("/").keep_alive());
  CHECK_FALSE(get("/").set_version(1, 0).keep_alive());
  CHECK(get("/").set_version(2, 0).keep_alive());
  CHECK_FALSE(get("/").set_version(0, 9).keep_alive());
  CHECK_FALSE(get("/").add_header("Connection", "close").keep_alive());
  CHECK_FALSE(get("/").add_header("Connection", "TE").add_header("connection", "x, CLOSE").keep_alive());
  CHECK_FALSE(get("/").add_header("Connection", "keep-alive, close").keep_alive());
  CHECK(get("/").add_header("Connection", "closed, \"close\"").keep_alive());
  CHECK(get("/").set_version(1, 0).add_header("Connection", "x ,Keep-Alive").keep_alive());
  CHECK_FALSE(
      get("/").set_version(1, 0).add_header("Connection", "keep-alive").add_header("Connection", "close").keep_alive());
}

TEST_CASE("a cookie is found by its name, in whichever field it is", "[http][request]") {
  const Request request = Request("GET", "/")
                              .add_header("Cookie", "a=1; bb=two; quoted=\"x y\"; empty=; a=2;tight=3")
                              .add_header("Cookie", "late=4; eq=a=b; flag");
  CHECK(request.cookie("a") == "1");
  CHECK(request.cookie("bb") == "two");
  CHECK(request.cookie("quoted") == "x y");
  CHECK(request.cookie("empty") == "");
  CHECK(request.cookie("tight") == "3");
  CHECK(request.cookie("late") == "4");
  CHECK(request.cookie("eq") == "a=b");
  for (const char* absent : {"A", "b", "flag", "", "two", "nothing"}) CHECK_FALSE(request.cookie(absent));
  CHECK_FALSE(Request("GET", "/").cookie("a"));
}
