// Header fields that a handler gives its stream.
#include <string>
#include <utility>

#include <asio/use_awaitable.hpp>

#include "support/catch.hpp"
#include "support/one_stream.hpp"
#include "support/refusal.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using Catch::Matchers::ContainsSubstring;

namespace {

/// The values of the fields `name`.
Texts values(const Head& head, std::string_view name) {
  Texts all;
  for (const auto& [known, value] : head.fields) {
    if (detail::iequals(known, name)) all.push_back(value);
  }
  return all;
}

void decorate(const EventStream& stream) {
  stream.header("Link", "</old.css>");
  stream.header("link", "</style.css>");
  stream.header("Set-Cookie", "a=1");
  stream.add_header("Set-Cookie", "b=2");
  stream.header("Cache-Control", "max-age=5");
}

}  // namespace

TEST_CASE("a handler gives its stream header fields, on every transport", "[loopback][stream][header]") {
  Serving serving([](Server& server) {
    server.stream("/e", [](const EventStream& stream) {
      decorate(stream);
      stream.complete(Event("x"));
    });
  });
  Client client(serving.port());
  client.get("/e" + GENERATE(as<std::string>{}, "", "?transport=poll", "?transport=iframe"));
  const Head head = client.read_head();
  CHECK(head.status == 200);
  CHECK(values(head, "Link") == Texts{"</style.css>"});
  CHECK(values(head, "Set-Cookie") == Texts{"a=1", "b=2"});
  CHECK(values(head, "Cache-Control") == Texts{"max-age=5"});
}

TEST_CASE("a coroutine may give fields before its first event", "[loopback][stream][header]") {
  Serving serving([](Server& server) {
    server.stream("/e", [](EventStream stream) -> asio::awaitable<void> {
      decorate(stream);
      const Event event("x");
      co_await stream.async_send(event, asio::use_awaitable);
    });
  });
  EventClient client(serving.port(), "/e");
  CHECK(values(client.head(), "Set-Cookie") == Texts{"a=1", "b=2"});
}

TEST_CASE("a field that comes too late is said to be", "[loopback][stream][header]") {
  Journal journal;
  OneStream one(StreamOptions(), [&](const EventStream& stream) {
    journal.add(stream.header("X-Early", "1") ? "set" : "late");
    stream.send(Event("x"));
    journal.add(stream.header("X-Late", "1") ? "set" : "late");
  });
  CHECK(journal.wait_for(2) == Texts{"set", "late"});
  CHECK(one.client.head().field("X-Early") == "1");
  CHECK(one.client.head().count("X-Late") == 0);
  CHECK_FALSE(one.stream.header("X-Late", "1"));
  one.stream.complete();
  one.client.rest();
  CHECK_FALSE(one.stream.add_header("X-Late", "1"));
}

TEST_CASE("a field that would forge another is refused, and quoted", "[loopback][stream][header]") {
  OneStream one;
  const auto set = [&](std::string name, std::string value) {
    return refusal([&] { one.stream.header(name, value); });
  };
  CHECK_THAT(set("X", "a\r\nSet-Cookie: forged"), ContainsSubstring("a\\r\\nSet-Cookie: forged"));
  CHECK_THAT(set("X\r\n", "a"), ContainsSubstring("X\\r\\n"));
  CHECK_THAT(set("content-length", "1"), ContainsSubstring("content-length"));
  CHECK_THAT(set("Transfer-Encoding", "gzip"), ContainsSubstring("Transfer-Encoding"));
  CHECK_THAT(set("Connection", "keep-alive"), ContainsSubstring("Connection"));
  CHECK_THAT(set("Content-Type", "text/plain"), ContainsSubstring("Content-Type"));
  CHECK_THAT(refusal([&] { one.stream.add_header("", "a"); }), ContainsSubstring("\"\""));
}

TEST_CASE("what a handler says of CORS is not said twice", "[loopback][stream][header]") {
  ServerOptions options;
  options.cors.allow_origins = {"https://a.example"};
  Serving serving(
      [](Server& server) {
        server.stream("/e", [](const EventStream& stream) {
          stream.header("Access-Control-Allow-Origin", "https://mine.example");
          stream.header("Vary", "Accept-Language");
          stream.complete();
        });
        server.get("/value", [](const Request&) {
          return Response(200)
              .header("Access-Control-Allow-Origin", "https://mine.example")
              .header("Vary", "Accept-Language");
        });
      },
      options);
  Client client(serving.port());
  client.get(GENERATE(as<std::string>{}, "/e", "/value", "/e?transport=poll"), "Origin: https://a.example\r\n");
  const Head head = client.read_head();
  CHECK(values(head, "Access-Control-Allow-Origin") == Texts{"https://mine.example"});
  CHECK(values(head, "Access-Control-Allow-Credentials") == Texts{"true"});
  CHECK(values(head, "Vary") == Texts{"Accept-Language", "Origin"});
}
