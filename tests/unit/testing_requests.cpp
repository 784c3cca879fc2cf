// Requests to a server in memory: whatever kind of handler answers them, and whoever refuses them.
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/server/all_of.hpp>
#include <spate/testing/server.hpp>

#include "support/catch.hpp"

using namespace spate;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

Response hello(const Request& request) {
  return Response::text(200, "hello " + std::string(request.param("who")));
}

}  // namespace

TEST_CASE("an ordinary route is asked and answers", "[testing]") {
  testing::Server server;
  server.get("/hello/{who}", hello);

  const testing::Answer answer = server.handle("/hello/anna%20b");
  CHECK(answer.status == 200);
  CHECK(answer.body == "hello anna b");
  CHECK_THAT(answer.header("Content-Type").value(), StartsWith("text/plain"));
  CHECK(answer.header("content-length") == "12");
  CHECK_FALSE(answer.header("X-None"));

  // The head alone.
  const testing::Answer head = server.handle(Request("HEAD", "/hello/anna"));
  CHECK(head.status == 200);
  CHECK(head.body.empty());
  CHECK(head.header("content-length") == "10");
}

TEST_CASE("a request brings what the test gives it", "[testing]") {
  testing::Server server;
  std::optional<Request> seen;
  server.route({"PUT"}, "/notes/{id}", [&](const Request& request) {
    seen = request;
    return Response(204);
  });

  Request request("PUT", "/notes/7?draft=yes");
  request.add_header("X-Tag", "a").add_header("X-Tag", "b").set_body("text");
  request.set_client_subject(std::make_shared<const std::string>("CN=printer"));
  CHECK(server.handle(request).status == 204);
  REQUIRE(seen);
  CHECK(seen->param("id") == "7");
  CHECK(seen->query("draft") == "yes");
  CHECK(seen->header_list("x-tag") == "a, b");
  CHECK(seen->body() == "text");
  CHECK(seen->client_subject() == "CN=printer");
  CHECK(seen->header("host") == "localhost");
}

TEST_CASE("what no route takes is refused as by any server", "[testing]") {
  ServerOptions options;
  options.limits.max_body_bytes = 10;
  testing::Server server(options);
  server.post("/notes", [](const Request&) { return Response(204); });
  server.get("/notes/{id}", [](const Request&) { return Response(204); });

  CHECK(server.handle("/elsewhere").status == 404);
  const testing::Answer other_method = server.handle("/notes");
  CHECK(other_method.status == 405);
  CHECK(other_method.header("allow").value_or("").find("POST") != std::string::npos);
  CHECK(server.handle("/notes/%zz").status == 400);
  CHECK(server.handle(Request("POST", "/notes").set_body("0123456789")).status == 204);
  CHECK(server.handle(Request("POST", "/notes").set_body("0123456789x")).status == 413);
  CHECK(server.handle(Request("POST", "/notes").add_header("X", std::string(100'000, 'x'))).status == 431);
}

TEST_CASE("pages of other origins and other host names are refused unless they are allowed", "[testing]") {
  ServerOptions options;
  options.cors.allow_origins = {"https://app.example"};
  testing::Server server(options);
  server.get("/hello/{who}", hello);

  const auto from = [](const char* origin) { return Request("GET", "/hello/x").add_header("Origin", origin); };
  CHECK(server.handle(from("https://evil.example")).status == 403);
  const testing::Answer allowed = server.handle(from("https://app.example"));
  CHECK(allowed.status == 200);
  CHECK(allowed.header("access-control-allow-origin") == "https://app.example");
  // Under a name of their own, pages would reach what listens on loopback only.
  CHECK(server.handle(Request("GET", "/hello/x").add_header("Host", "evil.example")).status == 403);

  Request preflight("OPTIONS", "/hello/x");
  preflight.add_header("Origin", "https://app.example").add_header("Access-Control-Request-Method", "GET");
  CHECK_THAT(server.handle(preflight).header("access-control-allow-methods").value(), ContainsSubstring("GET"));
}

TEST_CASE("hooks authorize: functions, coroutines and both together", "[testing]") {
  testing::Server server;
  const auto known = [](Request& request) -> std::optional<Response> {
    if (request.header("authorization") != "Bearer secret") return Response::error(401, "who are you?");
    request.set_param("who", "anna");
    return std::nullopt;
  };
  const auto may = [](Request& request) -> asio::awaitable<std::optional<Response>> {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    if (request.query("as") == "admin") co_return Response::error(403, "no");
    co_return std::nullopt;
  };
  RouteOptions route;
  route.authorize = all_of(known, may);
  server.get("/me", hello, route);

  CHECK(server.handle("/me").status == 401);
  const auto ask = [&](const char* target) {
    return server.handle(Request("GET", target).add_header("Authorization", "Bearer secret"));
  };
  CHECK(ask("/me").body == "hello anna");
  CHECK(ask("/me?as=admin").status == 403);
}

TEST_CASE("a coroutine answers as soon as it can", "[testing]") {
  testing::Server server;
  server.get("/steps", [](const Request&) -> asio::awaitable<Response> {
    for (int step = 0; step < 3; ++step) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return Response::text(200, "after three steps");
  });
  CHECK(server.handle("/steps").body == "after three steps");
}

TEST_CASE("an answer that is given later is followed", "[testing]") {
  testing::Server server;
  std::optional<PendingResponse> pending;
  std::vector<std::string> notes;
  server.get("/deferred", [&](const Request&, PendingResponse given) {
    given.expire_after(3s, Response::text(200, "nothing yet"));
    given.on_timeout([&] { notes.emplace_back("timeout"); });
    pending = std::move(given);
  });

  SECTION("the program answers") {
    const testing::Client asked = server.ask("/deferred");
    CHECK(asked.status() == 0);
    CHECK(asked.is_open());
    pending->respond(Response::text(201, "here"));
    CHECK(asked.status() == 201);
    CHECK(asked.body() == "here");
    CHECK_FALSE(asked.is_open());
    CHECK_FALSE(asked.was_cut());
  }
  SECTION("its time passes") {
    const testing::Client asked = server.ask("/deferred");
    server.advance(2999ms);
    CHECK(asked.status() == 0);
    server.advance(1ms);
    CHECK(asked.body() == "nothing yet");
    CHECK(notes == std::vector<std::string>{"timeout"});
    CHECK_FALSE(pending->respond(Response::text(200, "too late")));
  }
  SECTION("every copy is dropped") {
    const testing::Client asked = server.ask("/deferred");
    pending.reset();
    CHECK(asked.status() == 500);
  }
  SECTION("the connection of its client breaks") {
    testing::Client asked = server.ask("/deferred");
    pending->on_error([&](std::error_code) { notes.emplace_back("error"); });
    asked.reset();
    CHECK(notes == std::vector<std::string>{"error"});
    CHECK(asked.was_cut());
    CHECK_FALSE(pending->is_open());
  }
}

TEST_CASE("an answer in pieces is seen as it grows", "[testing]") {
  testing::Server server;
  std::optional<StreamedResponse> pieces;
  server.get("/report", [&](const Request&, StreamedResponse response) {
    response.begin(Response(200).content_type("text/csv"));
    pieces = std::move(response);
  });

  const testing::Client asked = server.ask("/report");
  CHECK(asked.header("content-type") == "text/csv");
  CHECK(asked.body().empty());
  pieces->async_write("a,b\n", [](std::error_code) {});
  CHECK(asked.body() == "a,b\n");
  CHECK(asked.is_open());
  SECTION("to its end") {
    pieces->async_write("c,d\n", [](std::error_code) {});
    pieces->finish();
    CHECK(asked.body() == "a,b\nc,d\n");
    CHECK_FALSE(asked.is_open());
    CHECK_FALSE(asked.was_cut());
  }
  SECTION("until it breaks off") {
    pieces->abort();
    CHECK_FALSE(asked.is_open());
    CHECK(asked.was_cut());
    CHECK(asked.body() == "a,b\n");
  }
}

TEST_CASE("what a handler throws is answered with 500 and shown to the test", "[testing]") {
  std::size_t told = 0;
  ServerOptions options;
  options.on_exception = [&](const std::exception_ptr&) { ++told; };
  testing::Server server(options);
  server.get("/fails", [](const Request&) -> Response { throw std::runtime_error("no database"); });
  server.get("/fails/later", [](const Request&) -> asio::awaitable<Response> {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    throw std::domain_error("later");
  });
  server.stream("/fails/stream", [](EventStream) { throw 7; });

  CHECK(server.errors().empty());
  CHECK(server.handle("/fails").status == 500);
  CHECK(server.handle("/fails/later").status == 500);
  CHECK(server.subscribe("/fails/stream").status() == 500);
  CHECK(server.errors() == std::vector<std::string>{"no database", "later", "what is no std::exception"});
  CHECK_THROWS_AS(std::rethrow_exception(server.exceptions().at(1)), std::domain_error);
  CHECK(told == 3);
}

TEST_CASE("what a callback throws is shown to the test, and the others go on", "[testing]") {
  testing::Server server;
  server.stream("/events", [](EventStream stream) {
    stream.on_complete([] { throw std::runtime_error("in a callback"); });
    stream.complete();
  });
  CHECK(server.subscribe("/events").status() == 200);
  CHECK(server.errors() == std::vector<std::string>{"in a callback"});
  CHECK(server.subscribe("/events").status() == 200);
  CHECK(server.errors().size() == 2);
}

TEST_CASE("limits of connections hold, in all and by address", "[testing]") {
  ServerOptions options;
  options.max_connections = 3;
  options.max_connections_per_address = 2;
  testing::Server server(options);
  server.stream("/events", [](const EventStream&) {});

  const testing::ClientOptions elsewhere{Transport::sse, "10.0.0.7"};
  const testing::Client first = server.subscribe("/events");
  testing::Client second = server.subscribe("/events");
  CHECK(second.status() == 200);
  CHECK(server.subscribe("/events").status() == 503);
  const testing::Client third = server.subscribe("/events", elsewhere);
  CHECK(third.status() == 200);
  CHECK(server.subscribe("/events", elsewhere).status() == 503);
  CHECK(server.stats().rejected == 2);
  // Somebody leaves.
  second.leave();
  CHECK(server.subscribe("/events").status() == 200);
}

TEST_CASE("a client of HTTP/1.0 gets an answer that ends with its connection", "[testing]") {
  testing::Server server;
  server.stream("/events", [](EventStream stream) {
    stream.send(Event("x"));
    stream.complete();
  });
  const testing::Answer answer = server.handle(Request("GET", "/events").set_version(1, 0));
  CHECK(answer.body == "data: x\n\n");
  CHECK_FALSE(answer.header("transfer-encoding"));
}

TEST_CASE("a request of HTTP/2 comes as one of HTTP/1.1", "[testing]") {
  testing::Server server;
  server.get("/version", [](const Request& request) {
    return Response::text(200, std::to_string(request.version_major()) + '.' + std::to_string(request.version_minor()));
  });
  CHECK(server.handle(Request("GET", "/version").set_version(2, 0)).body == "1.1");
}

TEST_CASE("an access log is told where clients come from", "[testing][access_log]") {
  std::vector<AccessRecord> log;
  ServerOptions options;
  options.access_log = [&](const AccessRecord& record) { log.push_back(record); };
  testing::ClientOptions elsewhere;
  elsewhere.address = "2001:db8::7";
  SECTION("an address and a port") {
    testing::Server server(options);
    server.get("/hello/{who}", hello);
    CHECK(server.handle("/hello/x").status == 200);
    CHECK(server.ask("/hello/y", elsewhere).status() == 200);
    REQUIRE(log.size() == 2);
    CHECK(log[0].remote_address == "127.0.0.1");
    CHECK(log[1].remote_address == "2001:db8::7");
    CHECK(log[0].remote_port != 0);
    CHECK(log[0].remote_port != log[1].remote_port);
  }
#if !defined(_WIN32)  // which has no such sockets
  SECTION("of which there is none where it listens on a Unix socket") {
    options.address = "unix:/run/spate.sock";
    options.max_connections_per_address = 1;
    testing::Server server(options);
    server.get("/hello/{who}", hello);
    server.stream("/events", [](EventStream stream) { stream.open(); });
    const testing::Client first = server.subscribe("/events"), second = server.subscribe("/events");
    CHECK(second.status() == 200);  // whose address could be counted?
    CHECK(server.handle("/hello/x").status == 200);
    REQUIRE(log.size() == 1);
    CHECK(log[0].remote_address.empty());
    CHECK(log[0].remote_port == 0);
  }
#endif
}

TEST_CASE("functions of a program that add routes take it for a server, and may start it", "[testing]") {
  const auto add_routes = [](spate::Server& server) {
    server.get("/hello/{who}", hello);
    server.fallback([](const Request&) { return Response::text(404, "mine"); });
    server.start();  // listens nowhere
  };
  testing::Server server;
  add_routes(server);
  CHECK(server.port() == 0);
  CHECK(server.handle("/hello/x").status == 200);
  CHECK(server.handle("/elsewhere").body == "mine");
  // Routes come before, as always.
  CHECK_THROWS_AS(server.get("/late", hello), std::invalid_argument);
}

TEST_CASE("an answer prints itself", "[testing]") {
  testing::Server server;
  server.get("/hello/{who}", [](const Request&) { return Response(200).header("X-A", "b").body("c"); });
  std::ostringstream text;
  testing::Answer answer = server.handle("/hello/x");
  std::erase_if(answer.headers, [](const auto& field) { return field.first == "Date"; });
  text << answer;
  CHECK(text.str() == "200\nX-A: b\nContent-Length: 1\n\nc");
}
