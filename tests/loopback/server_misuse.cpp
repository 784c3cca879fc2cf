// What a program sets by mistake is refused when it is set, with a sentence that quotes it.
#include <stdio.h>  // fileno, which is the system's
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/one_stream.hpp"
#include "support/refusal.hpp"
#include "support/temporary_folder.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

std::string server_with(const std::function<void(ServerOptions&)>& set) {
  ServerOptions options = any_port();
  set(options);
  asio::io_context io;
  return refusal([&] { const Server server(io, options); });
}

std::string route_with(const std::function<void(Server&)>& add) {
  asio::io_context io;
  Server server(io, any_port());
  return refusal([&] { add(server); });
}

Response greeted(const Request&) {
  return Response::text(200, "hello");
}

/// What `add` writes to standard error.
std::string said(const std::function<void()>& run) {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "said").string();
  std::FILE* const file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file), STDERR_FILENO);
  run();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  std::fclose(file);
  std::ifstream text(path);
  return {std::istreambuf_iterator<char>(text), {}};
}

}  // namespace

TEST_CASE("a negative duration is refused, whichever option it is", "[loopback][server][misuse]") {
  const auto refused = [](const char* name, const std::function<void(ServerOptions&)>& set) {
    const std::string why = server_with(set);
    CHECK_THAT(why, ContainsSubstring(name));
    CHECK_THAT(why, ContainsSubstring("-1 ms"));
  };
  refused("request_timeout", [](ServerOptions& o) { o.request_timeout = -1ms; });
  refused("idle_timeout", [](ServerOptions& o) { o.idle_timeout = -1ms; });
  refused("heartbeat", [](ServerOptions& o) { o.stream.heartbeat = -1ms; });
  refused("lifetime", [](ServerOptions& o) { o.stream.lifetime = -1ms; });
  refused("write_timeout", [](ServerOptions& o) { o.stream.write_timeout = -1ms; });
  refused("retry", [](ServerOptions& o) { o.stream.retry = -1ms; });
  refused("retry_min", [](ServerOptions& o) { o.stream.retry_min = -1ms; });
  refused("shutdown_retry_min", [](ServerOptions& o) { o.stream.shutdown_retry_min = -1ms; });
  CHECK_THAT(server_with([](ServerOptions& o) { o.cors.max_age = -1s; }), ContainsSubstring("-1000 ms"));
  asio::io_context io;
  Server server(io, any_port());
  CHECK_THAT(refusal([&] { server.shutdown(-1ms, {}); }), ContainsSubstring("-1 ms"));
}

TEST_CASE("a span of retry times has its least below its most", "[loopback][server][misuse]") {
  CHECK_THAT(server_with([](ServerOptions& o) { o.stream.shutdown_retry_min = 9s; }),
             ContainsSubstring("shutdown_retry_min (9000 ms)") && ContainsSubstring("5000 ms"));
  CHECK_THAT(server_with([](ServerOptions& o) { o.stream.shutdown_retry_max = 0ms; }), ContainsSubstring("1000 ms"));
  CHECK_THAT(server_with([](ServerOptions& o) { o.stream.retry_min = 2s; }), ContainsSubstring("retry_min (2000 ms)"));
  CHECK_THAT(server_with([](ServerOptions& o) {
               o.stream.retry = 3s;
               o.stream.retry_max = 2s;
             }),
             ContainsSubstring("3000 ms") && ContainsSubstring("2000 ms"));
}

TEST_CASE("an empty function is no handler, no hook and no callback", "[loopback][server][misuse]") {
  using Value = std::function<Response(const Request&)>;
  CHECK_THAT(route_with([](Server& s) { s.get("/x", Value()); }), ContainsSubstring("\"/x\""));
  CHECK_THAT(route_with([](Server& s) { s.post("/x", static_cast<Response (*)(const Request&)>(nullptr)); }),
             ContainsSubstring("\"/x\""));
  CHECK_THAT(route_with([](Server& s) { s.stream("/x", std::function<void(EventStream)>()); }),
             ContainsSubstring("\"/x\""));
  CHECK_THAT(route_with([](Server& s) { s.fallback(Value()); }), ContainsSubstring("fallback"));
  RouteOptions options;
  options.authorize = AuthorizeCoroutine();
  CHECK_THAT(route_with([&](Server& s) { s.get("/x", greeted, options); }), ContainsSubstring("authorize of \"/x\""));
  OneStream one;
  CHECK_THAT(refusal([&] { one.stream.on_complete({}); }), ContainsSubstring("on_complete"));
  CHECK_THAT(refusal([&] { one.stream.on_timeout({}); }), ContainsSubstring("on_timeout"));
  CHECK_THAT(refusal([&] { one.stream.on_error({}); }), ContainsSubstring("on_error"));
}

TEST_CASE("a method that no request can have is refused", "[loopback][server][misuse]") {
  for (const char* method : {"BREW", "delete", "Get", "", "CONNECT", "PRI", "GET ", "SOURCE"}) {
    const std::string why = route_with([&](Server& s) { s.route({"GET", method}, "/x", greeted); });
    CHECK_THAT(why, ContainsSubstring("\"" + std::string(method) + "\"") && ContainsSubstring("\"/x\""));
  }
  CHECK_THAT(route_with([&](Server& s) { s.route({}, "/x", greeted); }), ContainsSubstring("without a method"));
  for (const char* method : {"GET", "DELETE", "M-SEARCH", "PROPFIND", "PATCH", "OPTIONS"}) {
    CHECK(route_with([&](Server& s) { s.route({method}, "/x", greeted); }) == "not refused");
  }
}

TEST_CASE("a route is added once, and before the server serves", "[loopback][server][misuse]") {
  CHECK_THAT(route_with([](Server& s) {
               s.get("/a/{x}", greeted);
               s.get("/a/{y}", greeted);
             }),
             ContainsSubstring("GET") && ContainsSubstring("\"/a/{y}\"") && ContainsSubstring("\"/a/{x}\""));
  CHECK_THAT(route_with([](Server& s) {
               s.stream("/a", [](const EventStream&) {});
               s.route({"HEAD"}, "/%61", greeted);
             }),
             ContainsSubstring("HEAD") && ContainsSubstring("\"/%61\""));
  CHECK_THAT(route_with([](Server& s) { s.route({"PUT", "PUT"}, "/a", greeted); }), ContainsSubstring("PUT"));
  CHECK_THAT(route_with([](Server& s) {
               s.fallback(greeted);
               s.fallback(greeted);
             }),
             ContainsSubstring("fallback twice"));
  // Another method, or another path, is another route.
  CHECK(route_with([](Server& s) {
          s.get("/a/{x}", greeted);
          s.post("/a/{x}", greeted);
          s.get("/a/b", greeted);
          s.get("/a/{x...}", greeted);
        }) == "not refused");

  Server server(any_port(1));
  server.get("/hello", greeted);
  server.start();
  CHECK_THAT(refusal([&] { server.get("/late", greeted); }), ContainsSubstring("\"/late\""));
  CHECK_THAT(refusal([&] { server.stream("/late", [](const EventStream&) {}); }), ContainsSubstring("\"/late\""));
  CHECK_THAT(refusal([&] { server.fallback(greeted); }), ContainsSubstring("fallback"));
  CHECK_THAT(refusal([&] { server.start(); }), ContainsSubstring("second time"));
  server.stop();
  CHECK_THAT(refusal([&] { server.start(); }), ContainsSubstring("second time"));
  Server stopped(any_port(1));
  stopped.stop();
  CHECK_THAT(refusal([&] { stopped.start(); }), ContainsSubstring("after stop"));
}

TEST_CASE("a start that failed may be tried again", "[loopback][server][misuse]") {
  Loop loop;
  std::optional<asio::ip::tcp::acceptor> holder(listening(loop.io.get_executor()));
  ServerOptions options = any_port(1);
  options.port = holder->local_endpoint().port();
  Server server(options);
  server.get("/hello", greeted);
  CHECK_THROWS_AS(server.start(), std::system_error);
  holder.reset();
  server.start();
  Client client(server.port());
  client.get("/hello");
  CHECK(client.read_reply().body == "hello");
}

TEST_CASE("a literal segment beats a parameter, in whatever order they were added", "[loopback][server][route]") {
  const auto name = [](std::string text) { return [text](const Request&) { return Response::text(200, text); }; };
  std::vector<std::string> patterns = {"/a/b", "/a/{x}", "/{x}/b", "/a/{rest...}", "/{rest...}", "/{x}/{y}"};
  const bool reversed = GENERATE(false, true);
  if (reversed) patterns = {patterns.rbegin(), patterns.rend()};
  Serving serving([&](Server& server) {
    for (const std::string& pattern : patterns) server.get(pattern, name(pattern));
    server.post("/a/b", name("post"));
  });
  const auto ask = [&](std::string_view target) {
    Client client(serving.port());
    client.get(target);
    return client.read_reply().body;
  };
  CHECK(ask("/a/b") == "/a/b");
  CHECK(ask("/a/c") == "/a/{x}");
  CHECK(ask("/c/b") == "/{x}/b");
  CHECK(ask("/c/d") == "/{x}/{y}");
  CHECK(ask("/a/b/c") == "/a/{rest...}");
  CHECK(ask("/a/") == "/a/{rest...}");
  CHECK(ask("/c/d/e") == "/{rest...}");
  CHECK(ask("/") == "/{rest...}");
}

TEST_CASE("a parameter that the route lacks is named", "[loopback][server][misuse]") {
  Journal exceptions;
  Serving serving([&](Server& server) {
    server.get("/users/{user}", [&](const Request& request) {
      CHECK_FALSE(request.has_param("usr"));
      exceptions.add(refusal([&] { request.param("usr"); }));
      return Response::text(200, std::string(request.param("user")));
    });
  });
  Client client(serving.port());
  client.get("/users/ann");
  CHECK(client.read_reply().body == "ann");
  CHECK_THAT(exceptions.wait_for(1).front(), ContainsSubstring("\"usr\""));
}

TEST_CASE("what a handler throws is said on standard error unless the program is told", "[loopback][server][misuse]") {
  Journal told;
  ServerOptions options;
  const bool tells = GENERATE(false, true);
  if (tells) options.on_exception = [&](const std::exception_ptr&) { told.add("told"); };
  const std::string text = said([&] {
    Serving serving(
        [](Server& server) {
          server.get("/x", [](const Request&) -> Response { throw std::runtime_error("out of paper"); });
          server.stream("/s", [](EventStream) -> asio::awaitable<void> {
            throw std::runtime_error("out of ink");
            co_return;
          });
        },
        options);
    Client client(serving.port());
    client.get("/x");
    CHECK(client.read_reply().status == 500);
    client.get("/s");
    CHECK(client.read_reply().status == 500);
  });
  if (tells) {
    CHECK(text.empty());
    CHECK(told.size() == 2);
  } else {
    CHECK_THAT(text, ContainsSubstring("out of paper\n") && ContainsSubstring("out of ink\n"));
  }
}
