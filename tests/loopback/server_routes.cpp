// What one route may have for itself: policies, streams, a fallback; and coroutines that end with their client.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/server/all_of.hpp>
#include "support/catch.hpp"
#include "support/one_stream.hpp"
#include "support/stream_collection.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

Response plain_answer(const Request&) {
  return Response::text(200, "hello");
}

Reply reply_to(std::uint16_t port, std::string_view request) {
  Client client(port);
  client.send(request);
  return client.read_reply();
}

Reply page_asks(std::uint16_t port, std::string_view target, std::string_view origin, std::string_view more = {}) {
  return reply_to(port, "GET " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nOrigin: " +
                            std::string(origin) + "\r\n" + std::string(more) + "\r\n");
}

Reply preflighted(std::uint16_t port, std::string_view target, std::string_view method, std::string_view origin) {
  return reply_to(port, "OPTIONS " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\nOrigin: " +
                            std::string(origin) + "\r\nAccess-Control-Request-Method: " + std::string(method) +
                            "\r\nAccess-Control-Request-Headers: x-mine\r\n\r\n");
}

/// Says in a journal when it goes, as what a coroutine holds does.
class Goes {
 public:
  Goes(Journal& journal, std::string text) : journal_(journal), text_(std::move(text)) {}
  Goes(const Goes&) = delete;
  Goes& operator=(const Goes&) = delete;
  ~Goes() { journal_.add(text_); }

 private:
  Journal& journal_;
  const std::string text_;
};

}  // namespace

TEST_CASE("a route may have its own origins, or none that it judges", "[loopback][server][route]") {
  ServerOptions options;
  options.cors.allow_origins = {"https://server.example"};
  Serving serving(
      [](Server& server) {
        RouteOptions own;
        own.cors.emplace();
        own.cors->allow_origins = {"https://route.example"};
        own.cors->request_fields = CorsOptions::RequestFields::any;
        server.get("/own", plain_answer, own);
        server.stream(
            "/stream", [](const EventStream& stream) { stream.complete(); }, own);
        RouteOptions off;
        off.origin_check = RouteOptions::Check::off;
        server.get(
            "/off", [](const Request&) { return plain_answer({}).header("Access-Control-Allow-Origin", "*"); }, off);
        server.route(
            {"OPTIONS"}, "/off", [](const Request&) { return Response(204).header("X-Mine", "yes"); }, off);
        server.get("/plain", plain_answer);
        server.post("/own", plain_answer);
      },
      options);
  const std::uint16_t port = serving.port();
  CHECK(page_asks(port, "/plain", "https://server.example").status == 200);
  CHECK(page_asks(port, "/plain", "https://route.example").status == 403);
  CHECK(page_asks(port, "/own", "https://server.example").status == 403);
  const Reply own = page_asks(port, "/own", "https://route.example");
  CHECK(own.status == 200);
  CHECK(own.field("Access-Control-Allow-Origin") == "https://route.example");
  CHECK(page_asks(port, "/stream", "https://route.example").field("Access-Control-Allow-Origin") ==
        "https://route.example");
  CHECK(page_asks(port, "/stream", "https://server.example").status == 403);

  const Reply off = page_asks(port, "/off", "https://anybody.example");
  CHECK(off.status == 200);
  CHECK(off.field("Access-Control-Allow-Origin") == "*");
  CHECK(off.count("Vary") == 0);

  // The preflight is the route's that it asks about.
  CHECK(preflighted(port, "/own", "GET", "https://route.example").field("Access-Control-Allow-Headers") == "x-mine");
  CHECK(preflighted(port, "/own", "GET", "https://server.example").status == 403);
  CHECK(preflighted(port, "/own", "POST", "https://server.example").status == 204);
  CHECK(preflighted(port, "/own", "POST", "https://route.example").status == 403);
  CHECK(preflighted(port, "/off", "OPTIONS", "https://anybody.example").field("X-Mine") == "yes");
}

TEST_CASE("a route may answer for other hosts than its server, or for all", "[loopback][server][route]") {
  Serving serving([](Server& server) {
    RouteOptions own;
    own.allow_hosts = {"route.example"};
    server.get("/own", plain_answer, own);
    RouteOptions off;
    off.host_check = RouteOptions::Check::off;
    server.get("/off", plain_answer, off);
    server.get("/plain", plain_answer);
  });
  const auto status = [&](std::string target, std::string host) {
    return reply_to(serving.port(), "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n").status;
  };
  CHECK(status("/plain", "localhost") == 200);
  CHECK(status("/plain", "route.example") == 403);
  CHECK(status("/own", "route.example") == 200);
  CHECK(status("/own", "localhost") == 403);
  CHECK(status("/off", "anything.example") == 200);
  CHECK(status("/nothing", "anything.example") == 403);
}

TEST_CASE("what no route matches is the fallback's, whatever the method", "[loopback][server][route]") {
  Serving serving([](Server& server) {
    server.get("/here", plain_answer);
    server.fallback([](const Request& request) {
      return Response::text(404, std::string(request.method()) + " " + std::string(request.param("path")));
    });
  });
  const std::uint16_t port = serving.port();
  const auto body = [&](std::string line) {
    return reply_to(port, line + " HTTP/1.1\r\nHost: localhost\r\n\r\n").body;
  };
  CHECK(body("GET /here") == "hello");
  CHECK(body("GET /a/b%20c") == "GET a/b c");
  CHECK(body("DELETE /") == "DELETE ");
  CHECK(body("OPTIONS /x") == "OPTIONS x");
  CHECK(reply_to(port, "PUT /here HTTP/1.1\r\nHost: localhost\r\n\r\n").status == 405);
  CHECK(page_asks(port, "/elsewhere", "https://evil.example").status == 403);
}

TEST_CASE("a route's streams may be unlike those of its server", "[loopback][server][route]") {
  ServerOptions options;
  options.stream.retry = 7s;
  Serving serving(
      [](Server& server) {
        const auto handler = [](const EventStream& stream) { stream.complete(Event("x")); };
        RouteOptions own;
        own.stream.emplace();
        own.stream->retry_min = 2s;
        own.stream->retry_max = 4s;
        own.stream->heartbeat_event = "beat";
        server.stream("/own", handler, own);
        server.stream("/plain", handler);
        RouteOptions beating;
        beating.stream.emplace();
        beating.stream->heartbeat = 10ms;
        beating.stream->heartbeat_event = "beat";
        server.stream(
            "/beating", [](const EventStream&) {}, beating);
      },
      options);
  EventClient plain(serving.port(), "/plain");
  plain.rest();
  CHECK(plain.decoder().reconnection_time() == 7s);
  // Each stream is told another moment, so that clients do not come back in step.
  std::vector<std::chrono::milliseconds> told;
  for (int i = 0; i < 8; ++i) {
    EventClient own(serving.port(), "/own");
    own.rest();
    told.push_back(own.decoder().reconnection_time().value_or(0ms));
    CHECK(told.back() >= 2s);
    CHECK(told.back() <= 4s);
  }
  CHECK(std::count(told.begin(), told.end(), told.front()) < 8);
  EventClient beating(serving.port(), "/beating");
  CHECK(beating.next().name == "beat");
}

TEST_CASE("a finite stream goes on when its server drains, until the deadline", "[loopback][server][shutdown]") {
  StreamCollection streams;
  Awaited<std::size_t> done;
  Serving serving([&](Server& server) {
    RouteOptions finite;
    finite.finish_on_drain = true;
    server.stream(
        "/finite", [&](EventStream stream) { streams.add(std::move(stream)); }, finite);
    server.stream("/endless", [](const EventStream&) {});
  });
  EventClient finite(serving.port(), "/finite");
  EventClient endless(serving.port(), "/endless");
  SECTION("it ends by itself") {
    serving.server().shutdown(20s, [&](std::size_t cut) { done.set(cut); });
    CHECK(endless.rest().empty());
    CHECK(endless.completed());
    CHECK_FALSE(done.is_set());
    CHECK(streams.newest().is_open());
    streams.newest().complete(Event("the last word"));
    CHECK(finite.rest() == Texts{"the last word"});
    CHECK(finite.completed());
    CHECK(done.get() == 0);
  }
  SECTION("it is cut") {
    serving.server().shutdown(50ms, [&](std::size_t cut) { done.set(cut); });
    CHECK(done.get() == 1);
    CHECK_FALSE(finite.completed());
  }
}

TEST_CASE("hooks that chain are asked in their order, and the first refusal is the answer",
          "[loopback][server][authorize]") {
  Journal asked;
  const auto function = [&](std::string name, int status) {
    return [&asked, name, status](Request& request) -> std::optional<Response> {
      asked.add(name);
      request.set_param(name, "set");
      if (status == 200) return std::nullopt;
      return Response::error(status, name);
    };
  };
  const auto coroutine = [&](std::string name, int status) {
    return [&asked, name, status](Request& request) -> asio::awaitable<std::optional<Response>> {
      asked.add(name + (request.has_param("first") ? " after first" : ""));
      if (status == 200) co_return std::nullopt;
      co_return Response::error(status, name);
    };
  };
  Serving serving([&](Server& server) {
    const auto add = [&](const char* pattern, AuthorizeHook hook) {
      RouteOptions options;
      options.authorize = std::move(hook);
      server.get(pattern, plain_answer, options);
    };
    add("/pass", all_of(function("first", 200), coroutine("second", 200), function("third", 200)));
    add("/second", all_of(function("first", 200), coroutine("second", 403), function("third", 200)));
    add("/plain", all_of(function("first", 200), function("second", 401)));
    add("/none", all_of());
  });
  const auto status = [&](std::string_view target) {
    Client client(serving.port());
    client.get(target);
    return client.read_reply().status;
  };
  CHECK(status("/pass") == 200);
  CHECK(asked.entries() == Texts{"first", "second after first", "third"});
  CHECK(status("/second") == 403);
  CHECK(asked.entries().size() == 5);
  CHECK(status("/plain") == 401);
  CHECK(status("/none") == 200);
  CHECK_THROWS_AS(all_of(AuthorizeFunction()), std::invalid_argument);
  CHECK(all_of(function("a", 200), function("b", 200)).function() != nullptr);
}

TEST_CASE("a coroutine handler does not outlive its client", "[loopback][server][coroutine]") {
  Journal journal;
  ServerOptions options;
  options.on_exception = [&](const std::exception_ptr&) { journal.add("exception"); };
  Serving serving(
      [&](Server& server) {
        server.stream("/timer", [&](EventStream stream) -> asio::awaitable<void> {
          stream.open();
          const Goes goes(journal, "gone");
          asio::steady_timer timer(stream.get_executor(), 24h);
          co_await timer.async_wait(asio::use_awaitable);
        });
        server.stream("/closed", [&](EventStream stream) -> asio::awaitable<void> {
          stream.open();
          const Goes goes(journal, "gone");
          co_await stream.async_closed(asio::use_awaitable);
        });
        server.get("/value", [&](const Request&) -> asio::awaitable<Response> {
          const Goes goes(journal, "gone");
          asio::steady_timer timer(co_await asio::this_coro::executor, 24h);
          journal.add("waits");
          co_await timer.async_wait(asio::use_awaitable);
          co_return Response(200);
        });
      },
      options);
  SECTION("that of a stream") {
    EventClient client(serving.port(), GENERATE(as<std::string>{}, "/timer", "/closed"));
    client.connection().close();
    CHECK(journal.wait_for(1) == Texts{"gone"});
  }
  SECTION("that of an answer") {
    Client client(serving.port());
    client.get("/value");
    CHECK(journal.wait_for(1) == Texts{"waits"});
    client.reset();
    CHECK(journal.wait_for(2) == Texts{"waits", "gone"});
  }
  serving.loop.settle();
  for (const std::string& entry : journal.entries()) CHECK(entry != "exception");
}

TEST_CASE("a coroutine that has ended its stream goes on", "[loopback][server][coroutine]") {
  Journal journal;
  Serving serving([&](Server& server) {
    server.stream("/e", [&](EventStream stream) -> asio::awaitable<void> {
      stream.complete(Event("x"));
      co_await stream.async_closed(asio::use_awaitable);
      asio::steady_timer timer(stream.get_executor(), 1ms);
      co_await timer.async_wait(asio::use_awaitable);
      journal.add("cleaned up");
    });
  });
  EventClient client(serving.port(), "/e");
  CHECK(client.rest() == Texts{"x"});
  CHECK(journal.wait_for(1) == Texts{"cleaned up"});
}

TEST_CASE("who waits until a stream is closed is told once, and may give up", "[loopback][stream][async]") {
  Journal journal;
  OneStream one;
  one.stream.async_closed([&](std::error_code error) { journal.add("closed: " + error.message()); });
  asio::cancellation_signal gives_up;
  one.stream.async_closed(asio::bind_cancellation_slot(gives_up.slot(), [&](std::error_code error) {
    journal.add(error == asio::error::operation_aborted ? "gave up" : "?");
  }));
  one.settle();
  one.serving.loop.run([&] { gives_up.emit(asio::cancellation_type::terminal); });
  CHECK(journal.wait_for(1) == Texts{"gave up"});
  one.stream.complete();
  one.client.rest();
  const std::string success = std::error_code().message();
  CHECK(journal.wait_for(2) == Texts{"gave up", "closed: " + success});
  // Late, it is told at once; and when the server is gone, why.
  one.stream.async_closed([&](std::error_code error) { journal.add("late: " + error.message()); });
  CHECK(journal.wait_for(3).back() == "late: " + success);
  one.serving.destroy();
  asio::io_context mine;
  one.stream.async_closed(asio::bind_executor(mine, [&](std::error_code error) { journal.add(error.message()); }));
  mine.run();
  CHECK(journal.last() == make_error_code(Errc::shut_down).message());
}
