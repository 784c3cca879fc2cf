// What a server does with requests besides parsing them: order, limits of time and number, and what follows a stream.
#include <atomic>
#include <chrono>
#include <ctime>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <spate/server/detail/connection_limits.hpp>
#include "support/catch.hpp"
#include "support/deferring.hpp"
#include "support/end_of.hpp"
#include "support/exceptions.hpp"
#include "support/one_stream.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

using Clock = std::chrono::steady_clock;

namespace {

Response echo(const Request& request) {
  return Response::text(200, std::string(request.target()) + " " + std::string(request.body()));
}

std::string request_line(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

}  // namespace

TEST_CASE("requests on one connection are answered in their order", "[loopback][server][http]") {
  Serving serving([](Server& server) {
    server.get("/now/{n}", echo);
    server.get("/later/{n}", [](const Request& request) -> asio::awaitable<Response> {
      const std::string target(request.target());
      asio::steady_timer pause(co_await asio::this_coro::executor, 2ms);
      co_await pause.async_wait(asio::use_awaitable);
      co_return Response::text(200, target);
    });
  });
  Client client(serving.port());
  const Texts targets = {"/now/1", "/later/2", "/now/3", "/later/4", "/later/5", "/now/6"};
  std::string all;
  for (const std::string& target : targets) all += request_line(target);
  SECTION("sent in one piece") {
    client.send(all);
  }
  SECTION("sent byte by byte") {
    for (const char byte : all) client.send({&byte, 1});
  }
  for (const std::string& target : targets) {
    const Reply reply = client.read_reply();
    CHECK(reply.status == 200);
    CHECK_THAT(reply.body, StartsWith(target));
    CHECK(reply.count("Connection") == 0);
  }
  CHECK(serving.stats().requests == targets.size());
  CHECK(serving.stats().connections == 1);
}

TEST_CASE("more requests than are read ahead are answered all the same", "[loopback][server][http]") {
  Journal journal;
  std::atomic<bool> go{false};
  Serving serving([&](Server& server) {
    server.get("/slow", [&](const Request&) -> asio::awaitable<Response> {
      asio::steady_timer pause(co_await asio::this_coro::executor);
      while (!go) {
        pause.expires_after(1ms);
        co_await pause.async_wait(asio::use_awaitable);
      }
      co_return Response::text(200, "slow");
    });
    server.get("/fast", echo);
  });
  // All of it is in the kernel of the server before the first answer is given: nothing new comes to wake it up.
  Client client(serving.port());
  std::string all = request_line("/slow");
  constexpr int requests = 400;
  const std::string padding(1000, 'p');
  for (int i = 0; i < requests; ++i) all += request_line("/fast?" + padding + std::to_string(i));
  client.send(all);
  // And a client that sends no more may still wait for every answer.
  if (GENERATE(false, true)) client.end();
  serving.loop.settle();
  go = true;
  CHECK(client.read_reply().body == "slow");
  for (int i = 0; i < requests; ++i) REQUIRE(client.read_reply().body == "/fast?" + padding + std::to_string(i) + " ");
}

TEST_CASE("many requests on one connection do not hold up those of others", "[loopback][server][http]") {
  constexpr int requests = 1000;
  Awaited<bool> begun;
  std::atomic<bool> go_on{false};
  int served = 0;
  Serving serving([&](Server& server) {
    server.get("/first", [&](const Request&) {
      begun.set(true);
      eventually([&] { return go_on.load(); });
      return Response(204);
    });
    server.get("/many", [&](const Request&) {
      ++served;
      return Response(204);
    });
    server.get("/large", [&](const Request&) {
      ++served;
      return Response::text(200, std::string(64 * 1024, 'x'));
    });
    server.get("/others", [&](const Request&) { return Response::text(200, std::to_string(served)); });
  });
  const bool large = GENERATE(false, true);
#if SPATE_PORTABLE
  const int most = large ? 40 : 600;  // Asio tells of a socket after some turns
#else
  const int most = large ? 5 : 40;
#endif
  Client many(serving.port()), other(serving.port());
  other.get("/others");
  CHECK(other.read_reply().body == "0");  // it has been accepted
  std::string all = request_line("/first");
  for (int i = 0; i < requests; ++i) all += request_line(large ? "/large" : "/many");
  many.send(all);
  CHECK(begun.get());
  // The loop stands in the first of a thousand requests; the other client's only one is there when it goes on.
  other.get("/others");
  go_on = true;
  CHECK(std::stoi(other.read_reply().body) <= most);
  CHECK(many.read_reply().status == 204);
  for (int i = 0; i < requests; ++i) REQUIRE(many.read_reply().status == (large ? 200 : 204));
}

TEST_CASE("a client that ends its side after many requests gets all their answers", "[loopback][server][http]") {
  constexpr int requests = 3000;  // more than are read ahead
  Serving serving([](Server& server) {
    server.get("/now", echo);
    server.get("/later", [](const Request&) -> asio::awaitable<Response> {
      asio::steady_timer pause(co_await asio::this_coro::executor, 10ms);
      co_await pause.async_wait(asio::use_awaitable);
      co_return Response::text(200, "later");
    });
  });
  const std::string first = GENERATE("/now", "/later"), last = GENERATE("/now", "/later", "");
  std::string all = request_line(first);
  for (int i = 1; i < requests; ++i) all += request_line("/now");
  if (last.empty()) {
    all += "GET /half-a-requ";
  } else {
    all += request_line(last);
  }
  Client client(serving.port());
  client.send(all);
  client.end();
  for (int i = 0; i < requests; ++i) {
    const Reply reply = client.read_reply();
    REQUIRE(reply.status == 200);
    REQUIRE(reply.count("Connection") == 0);
  }
  if (!last.empty()) CHECK(client.read_reply().field("Connection") == "close");
  CHECK(client.read_end() == End::closed);
}

TEST_CASE("nothing after the request of a stream is executed", "[loopback][server][http]") {
  std::atomic<int> executed{0};
  Awaited<EventStream> opened;
  const bool coroutine = GENERATE(false, true);
  Serving serving([&](Server& server) {
    if (coroutine) {
      server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
        opened.set(stream);
        asio::steady_timer pause(stream.get_executor(), 20ms);
        co_await pause.async_wait(asio::use_awaitable);
        stream.send(Event("late"));
        pause.expires_after(20ms);
        co_await pause.async_wait(asio::use_awaitable);
      });
    } else {
      server.stream("/events", [&](EventStream stream) { opened.set(std::move(stream)); });
    }
    server.get("/execute", [&](const Request&) {
      ++executed;
      return Response(200);
    });
  });
  Client connection(serving.port());
  connection.send(request_line("/events") + request_line("/execute") + request_line("/execute"));
  EventClient client(std::move(connection));
  client.connection().send(request_line("/execute"));
  const EventStream stream = opened.get();
  if (!coroutine) stream.complete();
  CHECK(client.rest() == (coroutine ? Texts{"late"} : Texts{}));
  CHECK(client.completed());
  // No answer either; and the end is no reset, which could cost the client what it has not read yet. (RFC 9112 9.6)
  CHECK(client.connection().read_end() == End::closed);
  CHECK(executed == 0);
}

TEST_CASE("HEAD of a stream is its head, and registers nobody", "[loopback][server][http]") {
  std::atomic<int> handled{0};
  Serving serving([&](Server& server) {
    server.stream("/events", [&](const EventStream&) { ++handled; });
    server.get("/next", echo);
  });
  Client client(serving.port());
  client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n" + request_line("/next"));
  const Reply head = client.read_reply(Client::Method::head);
  CHECK(head.status == 200);
  CHECK(head.field("Content-Type") == "text/event-stream");
  CHECK(client.read_reply().status == 200);
  CHECK(handled == 0);
  CHECK(serving.stats().streams_opened == 0);
  // HTTP/1.0 has no word for a connection that goes on after a message without a length.
  Client old(serving.port());
  old.send("HEAD /events HTTP/1.0\r\n\r\n");
  CHECK(old.read_reply(Client::Method::head).field("Connection") == "close");
  CHECK(old.read_end() == End::closed);
}

TEST_CASE("HEAD tells the length that GET would have, or none (RFC 9110 8.6)", "[loopback][server][http]") {
  RouteOptions refusing;
  refusing.authorize = [](Request&) { return std::optional(Response::error(401, "who are you?")); };
  Serving serving([&](Server& server) {
    server.get("/value", echo);
    server.get("/later", [](const Request&) -> asio::awaitable<Response> { co_return Response::text(200, "later"); });
    server.get("/empty", [](const Request&) { return Response::text(200, ""); });
    server.get("/refused", echo, refusing);
    server.stream("/events", [](const EventStream& stream) { stream.complete(Event("x")); });
    server.stream(
        "/refused/events", [](const EventStream&) {}, refusing);
  });
  Client client(serving.port());
  for (const std::string target : {"/value", "/later", "/empty", "/nowhere", "/refused", "/refused/events", "/value?%",
                                   "/events?transport=poll&timeout=0", "/events?transport=paper"}) {
    INFO(target);
    client.get(target);
    const Reply get = client.read_reply();
    client.send("HEAD " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const Reply head = client.read_reply(Client::Method::head);
    CHECK(head.status == get.status);
    CHECK(head.field("Content-Type") == get.field("Content-Type"));
    if (head.count("Content-Length") > 0) CHECK(head.field("Content-Length") == get.field("Content-Length"));
    // Nobody knows what a poll will bring.
    CHECK(head.count("Content-Length") == (target.find("poll") == std::string::npos ? 1u : 0u));
    CHECK(head.count("Connection") == 0);
  }
  for (const char* transport : {"sse", "iframe"}) {
    client.send("HEAD /events?transport=" + std::string(transport) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client.read_reply(Client::Method::head).count("Content-Length") == 0);
  }
}

TEST_CASE("a stream says that its connection ends with it (RFC 9112 9.6)", "[loopback][server][http]") {
  Serving serving([&](Server& server) {
    server.stream("/events", [](const EventStream& stream) { stream.complete(Event("x")); });
    server.stream("POST", "/events", [](const EventStream& stream) { stream.complete(Event("x")); });
  });
  for (const char* request_line : {"GET /events HTTP/1.1", "GET /events HTTP/1.0", "POST /events HTTP/1.1",
                                   "GET /events?transport=iframe HTTP/1.1", "GET /events?transport=iframe HTTP/1.0"}) {
    INFO(request_line);
    Client client(serving.port());
    client.send(std::string(request_line) + "\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
    const Reply reply = client.read_reply();
    CHECK(reply.field("Connection") == "close");
    CHECK(reply.count("Transfer-Encoding") == (std::string_view(request_line).ends_with("1.1") ? 1u : 0u));
    CHECK(client.read_end() == End::closed);
  }
  // Node's fetch would take a stream that was cut for one that has ended, and its client would not come back.
  for (const char* agent : {"node", "undici"}) {
    Client client(serving.port());
    client.get("/events", "User-Agent: " + std::string(agent) + "\r\n");
    CHECK(client.read_reply().count("Connection") == 0);
    CHECK(client.read_end() == End::closed);
  }
  // An answer to a poll is one like others.
  Client poll(serving.port());
  for (int polls = 0; polls < 2; ++polls) {
    poll.get("/events?transport=poll&timeout=0");
    CHECK(poll.read_reply().count("Connection") == 0);
  }
}

TEST_CASE("a POST can be answered with a stream", "[loopback][server][http]") {
  Serving serving([](Server& server) {
    server.stream("POST", "/completions", [](const EventStream& stream) {
      for (const char letter : stream.request()->body()) stream.send(Event(std::string(1, letter)));
      stream.complete(Event("[DONE]"));
    });
  });
  Client connection(serving.port());
  SECTION("with a length") {
    connection.send("POST /completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc");
  }
  SECTION("in chunks") {
    connection.send("POST /completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.send("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n");
  }
  EventClient client(std::move(connection));
  CHECK(client.rest() == Texts{"a", "b", "c", "[DONE]"});
  CHECK(client.completed());
  Client wrong(serving.port());
  wrong.get("/completions");
  const Reply reply = wrong.read_reply();
  CHECK(reply.status == 405);
  CHECK(reply.field("Allow") == "POST, OPTIONS");
}

TEST_CASE("who expects 100 is told to go on, or at once why not", "[loopback][server][http]") {
  Serving serving([](Server& server) { server.post("/here", echo); });
  Client client(serving.port());
  const std::string rest = " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
  SECTION("go on") {
    client.send("POST /here" + rest);
    CHECK(client.read_reply().status == 100);
    client.send("body");
    CHECK(client.read_reply().body == "/here body");
    // And again on the same connection.
    client.send("POST /here" + rest);
    CHECK(client.read_reply().status == 100);
    client.send("next");
    CHECK(client.read_reply().body == "/here next");
  }
  SECTION("no need to, as the body has come already") {
    client.send("POST /here" + rest + "body");
    CHECK(client.read_reply().body == "/here body");
  }
  SECTION("nothing is there") {
    client.send("POST /nowhere" + rest);
    const Reply reply = client.read_reply();
    CHECK(reply.status == 404);
    CHECK(reply.field("Connection") == "close");
    CHECK(client.read_end() == End::closed);
  }
  SECTION("nothing is there, and to a HEAD that is said without a body") {
    client.send("HEAD /nowhere" + rest);
    CHECK(client.read_reply(Client::Method::head).status == 404);
    CHECK(client.read_to_end().empty());
  }
}

TEST_CASE("what the head decides is answered before the body is asked for (RFC 9110 10.1.1)",
          "[loopback][server][http]") {
  Journal asked;
  Journal exceptions;
  ServerOptions options;
  options.on_exception = note_in(exceptions);
  options.limits.max_body_bytes = 100;
  options.cors.allow_origins = {"https://page.example"};
  RouteOptions guarded;
  guarded.authorize = [&](Request& request) -> std::optional<Response> {
    asked.add(std::string(request.body()));
    if (request.query("throws")) throw std::runtime_error("no verdict");
    if (request.header("authorization") != "Bearer secret") return Response::error(401, "who are you?");
    request.set_param("who", "ann");
    return std::nullopt;
  };
  Serving serving(
      [&](Server& server) {
        server.post(
            "/{place}",
            [](const Request& request) {
              return Response::text(200, std::string(request.param("who")) + " " + std::string(request.body()));
            },
            guarded);
        server.stream(
            "POST", "/to/stream", [](const EventStream& stream) { stream.complete(Event(stream.request()->body())); },
            guarded);
        server.get("/to/read", echo);
      },
      options);
  std::optional<Client> connection(std::in_place, serving.port());
  const auto ask = [&](const std::string& target, const std::string& fields, const std::string& length = "4") {
    connection->send("POST " + target + " HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: " + length + "\r\n" +
                     fields + "\r\n");
    return connection->read_reply();
  };
  const std::string host = "Host: localhost\r\n";
  const std::string token = "Authorization: Bearer secret\r\n";
  SECTION("and the connection closes, as the body may come all the same") {
    struct Case {
      const char* what;
      std::string target, fields;
      int status;
    };
    const Case table[] = {
        {"no token", "/here", host, 401},
        {"a wrong token", "/here", host + "Authorization: Bearer guess\r\n", 401},
        {"no token for a stream", "/to/stream", host, 401},
        {"an unknown path", "/to/nowhere", host + token, 404},
        {"a wrong method", "/to/read", host + token, 405},
        {"a broken escape in the query", "/here?a=%zz", host + token, 400},
        {"a broken escape in the path", "/%zz", host + token, 400},
        {"a transport that is none", "/to/stream?transport=paper", host + token, 400},
        {"a host of others", "/here", "Host: evil.example\r\n" + token, 403},
        {"an origin of others", "/here", host + token + "Origin: http://evil.example\r\n", 403},
        {"a field that comes twice", "/here", host + token + "Content-Type: a\r\nContent-Type: b\r\n", 400},
        {"an expectation that nobody knows", "/here", host + token + "Expect: more\r\n", 417},
        {"a hook that fails", "/here?throws", host + token, 500},
    };
    for (const Case& c : table) {
      INFO(c.what);
      connection.emplace(serving.port());
      const Reply reply = ask(c.target, c.fields);
      CHECK(reply.status == c.status);
      CHECK(reply.field("Connection") == "close");
      CHECK(connection->read_end() == End::closed);
    }
  }
  SECTION("also when the body would be too large") {
    CHECK(ask("/here", host + token, "101").status == 413);
  }
  SECTION("with the fields of its origin, so that the page can read why") {
    const Reply reply = ask("/here", host + "Origin: https://page.example\r\n");
    CHECK(reply.status == 401);
    CHECK(reply.field("Access-Control-Allow-Origin") == "https://page.example");
  }
  SECTION("who may pass is asked about once, and what was found out about them is kept") {
    for (const char* body : {"body", "more"}) {
      CHECK(ask("/here", host + token).status == 100);
      connection->send(body);
      CHECK(connection->read_reply().body == "ann " + std::string(body));
    }
    CHECK(asked.size() == 2);
    CHECK(ask("/to/stream", host + token).status == 100);
    connection->send("data");
    EventClient events(*std::move(connection));
    CHECK(events.rest() == Texts{"data"});
    CHECK(asked.size() == 3);
  }
  SECTION("a hook is not shown the body, whether it has come or not") {
    connection->send("POST /here HTTP/1.1\r\nContent-Length: 4\r\n" + host + token + "\r\nbody");
    CHECK(connection->read_reply().body == "ann body");
    CHECK(asked.entries() == Texts{""});
  }
}

TEST_CASE("a hook that needs the body is asked when it has come", "[loopback][server][http]") {
  const auto by_body = [](Request& request) {
    return request.body() == "sign" ? std::nullopt : std::optional(Response::error(403, "not signed"));
  };
  RouteOptions function;
  function.authorize = by_body;
  function.authorize_on = AuthorizeOn::whole_request;
  RouteOptions coroutine = function;
  coroutine.authorize = [&](Request& request) -> asio::awaitable<std::optional<Response>> {
    co_return by_body(request);
  };
  Serving serving([&](Server& server) {
    server.post("/function", echo, function);
    server.post("/coroutine", echo, coroutine);
  });
  Client client(serving.port());
  for (const std::string target : {"/function", "/coroutine"}) {
    for (const std::string body : {"sign", "none"}) {
      INFO(target << " " << body);
      client.send("POST " + target +
                  " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
      CHECK(client.read_reply().status == 100);
      client.send(body);
      CHECK(client.read_reply().status == (body == "sign" ? 200 : 403));
    }
  }
}

TEST_CASE("a request that takes too long is answered with 408", "[loopback][server][timeout]") {
  ServerOptions options;
  options.request_timeout = 150ms;
  Serving serving([](Server& server) { server.post("/", echo); }, options);
  SECTION("in its head") {
    Client client(serving.port());
    client.send("GET / HT");
    CHECK(client.read_reply().status == 408);
    CHECK(client.read_end() == End::closed);
  }
  SECTION("in its body") {
    Client client(serving.port());
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbod");
    CHECK(client.read_reply().status == 408);
  }
  SECTION("however often it sends a byte") {
    Client client(serving.port());
    client.send("GET / HTTP/1.1\r\n");
    for (int i = 0; i < 20; ++i) {
      client.send("A: b\r\n");
      std::this_thread::sleep_for(10ms);
    }
    CHECK(client.read_reply().status == 408);
  }
  SECTION("or just closed, when none has come") {
    Client client(serving.port());
    CHECK(client.read_end() == End::closed);
  }
  SECTION("also when it follows another one in the same piece") {
    Client client(serving.port());
    client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\naGET / HT");
    CHECK(client.read_reply().status == 200);
    CHECK(client.read_reply().status == 408);
  }
}

TEST_CASE("a connection may be idle between two requests, but not for ever", "[loopback][server][timeout]") {
  ServerOptions options;
  options.request_timeout = 100ms;
  options.idle_timeout = GENERATE(300ms, 0ms);
  Serving serving([](Server& server) { server.get("/", echo); }, options);
  Client client(serving.port());
  client.get("/");
  CHECK(client.read_reply().status == 200);
  if (options.idle_timeout == 0ms) {
    // Zero means for ever. More than the time that a request may take is not too long: it has passed when one who came
    // later, and says nothing, is closed.
    CHECK(Client(serving.port()).read_end() == End::closed);
    client.get("/");
    CHECK(client.read_reply().status == 200);
  } else {
    const auto start = Clock::now();
    CHECK(client.read_end() == End::closed);
    CHECK(Clock::now() - start > 200ms);
  }
}

TEST_CASE("a connection whose time runs out before the server comes to it is closed all the same",
          "[loopback][server][timeout]") {
  ServerOptions options;
  options.idle_timeout = 10ms;
  Serving serving(
      [](Server& server) {
        server.get("/busy", [](const Request&) {
          for (const auto until = Clock::now() + 12ms; Clock::now() < until;) continue;
          return Response(204);
        });
        server.get("/", echo);
      },
      options);
  std::vector<Client> others;
  for (int i = 0; i < 12; ++i) others.emplace_back(serving.port());
  Client client(serving.port());
  serving.loop.settle();
  std::string many;
  for (int i = 0; i < 60; ++i) many += request_line("/");
  // All of it in one turn of the loop, and so much of others that the rest of this client's is left for the next turn.
  serving.loop.run([&] {
    for (Client& other : others) other.send(&other == &others[0] ? request_line("/") + request_line("/busy") : many);
    client.send(request_line("/") + "\r\n");
  });
  CHECK(client.read_reply().status == 200);
  CHECK(client.read_end() == End::closed);
}

TEST_CASE("by default a connection is kept for longer than nginx keeps it", "[loopback][server][timeout]") {
  CHECK(ServerOptions().idle_timeout == 75s);
}

TEST_CASE("an open stream is not idle", "[loopback][server][timeout]") {
  ServerOptions options;
  options.request_timeout = 100ms;
  options.idle_timeout = 100ms;
  options.stream.heartbeat = 300ms;
  Serving serving([](Server& server) { server.stream("/", [](const EventStream&) {}); }, options);
  EventClient client(serving.port(), "/");
  client.next_comment();
}

TEST_CASE("a client that does not take its answer is given up", "[loopback][server][timeout]") {
  ServerOptions options;
  options.stream.write_timeout = 50ms;
  options.max_connections = 1;  // so that another one is let in when it is given up
  std::atomic<bool> asked{false};
  Serving serving(
      [&](Server& server) {
        server.get("/", [&](const Request&) {
          asked = true;
          return Response::text(200, std::string(4'000'000, 'x'));
        });
        server.get("/free", [](const Request&) { return Response::text(200, "free"); });
      },
      options, Serving::small_buffer);
  Client client(serving.port(), Serving::small_buffer);
  client.get("/");
  CHECK(eventually([&] { return asked.load(); }));
  CHECK(eventually([&] {
    try {
      Client other(serving.port());
      other.get("/free");
      return other.read_reply().body == "free";
    } catch (const std::exception&) {
      return false;  // so many were refused that they are not told any more
    }
  }));
  // What the kernels held, and no more.
  CHECK(client.read_to_end().size() < 4'000'000);
}

TEST_CASE("a large answer reaches a client that reads slowly", "[loopback][server][http]") {
  ServerOptions options;
  options.stream.write_timeout = GENERATE(0ms, 20'000ms);  // zero: no deadline
  const std::string body(3'000'000, 'x');
  Serving serving([&](Server& server) { server.get("/", [&](const Request&) { return Response::text(200, body); }); },
                  options, Serving::small_buffer);
  Client client(serving.port(), Serving::small_buffer);
  client.send(request_line("/") + request_line("/"));
  CHECK(client.read_reply().body == body);
  CHECK(client.read_reply().body == body);
}

TEST_CASE("connections beyond the limit are answered with 503", "[loopback][server][limits]") {
  ServerOptions options;
  SECTION("in all") {
    options.max_connections = 2;
  }
  SECTION("from one address") {
    options.max_connections_per_address = 2;
  }
  Serving serving(
      [](Server& server) {
        server.get("/", echo);
        server.stream("/events", [](const EventStream&) {});
      },
      options);
  {
    Client first(serving.port());
    first.get("/");
    CHECK(first.read_reply().status == 200);
    // A stream counts as long as it is open.
    EventClient second(serving.port(), "/events");
    for (int i = 0; i < 3; ++i) {
      Client third(serving.port());
      third.get("/");
      const Reply refused = third.read_reply();
      CHECK(refused.status == 503);
      CHECK(refused.field("Connection") == "close");
      CHECK(third.read_end() == End::closed);
    }
    CHECK(serving.stats().rejected == 3);
  }
  // Both have gone: there is room again.
  CHECK(eventually([&] {
    Client client(serving.port());
    client.get("/");
    return client.read_reply().status == 200;
  }));
}

TEST_CASE("one address that is refused again and again takes no descriptor but those of its bound",
          "[loopback][server][limits]") {
  ServerOptions options;
  options.max_connections_per_address = 1;
  Serving serving([](Server& server) { server.get("/", echo); }, options);
  Client served(serving.port());
  served.get("/");
  CHECK(served.read_reply().status == 200);
  // They keep their end open, whatever they are told.
  std::vector<Client> refused;
  std::size_t told = 0;
  constexpr std::size_t attempts = detail::ConnectionLimits::max_refused + 20;
  for (std::size_t i = 0; i < attempts; ++i) {
    try {
      refused.emplace_back(serving.port());
    } catch (const Failure&) {
      continue;  // turned away before it knew that it was connected
    }
    const std::string answer = refused.back().read_to_end();
    CHECK(refused.back().how_ended() == (answer.empty() ? End::reset : End::closed));
    if (answer.empty()) continue;
    CHECK_THAT(answer, StartsWith("HTTP/1.1 503 "));
    ++told;
  }
  CHECK(told >= detail::ConnectionLimits::max_refused);
  CHECK(told < attempts);
  CHECK(serving.stats().rejected == attempts);
  // When they have gone the next one is told again; and whoever was inside never noticed.
  refused.clear();
  CHECK(eventually([&] { return !Client(serving.port()).read_to_end().empty(); }));
  served.get("/");
  CHECK(served.read_reply().status == 200);
}

TEST_CASE("a connection counts as long as it closes", "[loopback][server][limits]") {
  ServerOptions options;
  options.max_connections_per_address = 1;
  Serving serving([](Server& server) { server.get("/", echo); }, options);
  Client first(serving.port());
  first.get("/", "Connection: close\r\n");
  CHECK(first.read_reply().status == 200);
  CHECK(first.read_end() == End::closed);
  // It has been answered, but keeps its end open.
  CHECK(Client(serving.port()).read_reply().status == 503);
  first.close();
  CHECK(eventually([&] {
    Client next(serving.port());
    next.get("/");
    return next.read_reply().status == 200;
  }));
}

TEST_CASE("an exception of a handler is answered with 500, and told", "[loopback][server][exceptions]") {
  Journal exceptions;
  ServerOptions options;
  options.on_exception = note_in(exceptions);
  RouteOptions refusing;
  refusing.authorize = [](Request&) -> std::optional<Response> { throw std::runtime_error("authorize"); };
  Serving serving(
      [&](Server& server) {
        server.get("/value", [](const Request&) -> Response { throw std::runtime_error("value"); });
        server.get("/coroutine", [](const Request&) -> asio::awaitable<Response> {
          throw std::runtime_error("coroutine");
          co_return Response();
        });
        server.get("/pending", [](const Request&, const PendingResponse&) { throw std::runtime_error("pending"); });
        server.get("/answered", [](const Request&, const PendingResponse& pending) {
          pending.respond(Response::text(200, "answered"));
          throw std::runtime_error("after its answer");
        });
        server.get("/authorize", echo, refusing);
        server.stream(
            "/stream", [](const EventStream&) {}, refusing);
      },
      options);
  Client client(serving.port());
  for (const char* name : {"value", "coroutine", "pending", "authorize", "stream"}) {
    client.get("/" + std::string(name));
    CHECK(client.read_reply().status == 500);
  }
  client.get("/answered");
  CHECK(client.read_reply().body == "answered");
  CHECK(exceptions.entries() == Texts{"value", "coroutine", "pending", "authorize", "authorize", "after its answer"});
}

TEST_CASE("who may not ask is told so before anything happens", "[loopback][server][http]") {
  std::atomic<int> handled{0};
  RouteOptions checked;
  checked.authorize = [](Request& request) -> std::optional<Response> {
    if (request.header("authorization") != "Bearer secret") return Response::error(401, "who are you?");
    request.set_param("who", "alice");
    return std::nullopt;
  };
  Serving serving([&](Server& server) {
    server.stream(
        "/events",
        [&](const EventStream& stream) {
          ++handled;
          stream.complete(Event(stream.request()->param("who")));
        },
        checked);
  });
  Client client(serving.port());
  client.get("/events");
  CHECK(client.read_reply().status == 401);
  client.send("HEAD /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(client.read_reply(Client::Method::head).status == 401);
  CHECK(handled == 0);
  client.get("/events", "Authorization: Bearer secret\r\n");
  EventClient stream(std::move(client));
  CHECK(stream.rest() == Texts{"alice"});
}

TEST_CASE("an HTTP/1.0 connection ends with its answer unless the client asks", "[loopback][server][http]") {
  Serving serving([](Server& server) { server.get("/", echo); });
  Client client(serving.port());
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(client.read_reply().field("Connection") == "keep-alive");
  client.send("GET / HTTP/1.0\r\n\r\n");
  CHECK(client.read_reply().field("Connection") == "close");
  CHECK(client.read_end() == End::closed);
}

TEST_CASE("a client that has ended its side gets its answer, and the server no busier", "[loopback][server][http]") {
  Deferring deferring;
  Client client(deferring.serving.port());
  client.get("/");
  client.end();
  const PendingResponse pending = deferring.taken.take();
  deferring.serving.loop.settle();
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(100ms);
  // A socket at its end can always be read: whoever asks again and again finds no end.
  CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
  CHECK(pending.respond(Response::text(200, "here")));
  CHECK(client.read_reply().body == "here");
}

TEST_CASE("a client that has ended its side gets every answer that is no stream, on the route of one as well",
          "[loopback][server][http]") {
  RouteOptions refusing;
  refusing.authorize = [](Request&) { return std::optional(Response::error(401, "who are you?")); };
  Serving serving([&](Server& server) {
    server.stream("/refuses", [](const EventStream& stream) { stream.reject(Response::error(409, "not now")); });
    const auto thinks = [](EventStream stream) -> asio::awaitable<void> {
      asio::steady_timer pause(stream.get_executor(), 30ms);
      co_await pause.async_wait(asio::use_awaitable);
      // As a service does that answers with a stream only when it is asked to.
      if (!stream.stop_token().stop_requested()) stream.reject(Response::json(200, "{}"));
    };
    server.stream("/thinks", thinks);
    server.stream("POST", "/thinks", thinks);
    server.stream("/events", [](const EventStream& stream) { stream.send(Event("x")); });
    server.stream("/quiet", [](const EventStream& stream) { stream.open(); });
    server.stream(
        "/closed", [](const EventStream&) {}, refusing);
  });
  struct Case {
    const char* request_line;
    int status;
    const char* in_body;
  };
  const Case table[] = {
      {"GET /refuses", 409, "not now"},
      {"GET /thinks", 200, "{}"},
      {"POST /thinks", 200, "{}"},
      {"GET /closed", 401, "who are you?"},
      {"GET /nowhere", 404, ""},
      {"PUT /events", 405, ""},
      {"GET /events?transport=paper", 400, ""},
      {"GET /events?transport=poll&timeout=0", 200, "\"data\":\"x\""},
      {"GET /events?transport=poll&timeout=60000", 200, "\"data\":\"x\""},
      {"GET /quiet?transport=poll&timeout=0", 200, "\"events\":[]"},
      {"GET /quiet?transport=poll&timeout=60000", 200, "\"events\":[]"},  // it has perhaps gone: soon
      {"GET /quiet?transport=poll&timeout=50", 200, "\"events\":[]"},
  };
  for (const Case& c : table) {
    INFO(c.request_line);
    Client client(serving.port());
    client.send(std::string(c.request_line) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client.end();
    const Reply reply = client.read_reply();
    CHECK(reply.status == c.status);
    CHECK_THAT(reply.body, ContainsSubstring(c.in_body));
    CHECK(client.read_end() == End::closed);
  }
  CHECK(serving.stats().streams == 0);
}

TEST_CASE("an event still reaches a poll whose client has ended its side", "[loopback][server][http]") {
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) { server.stream("/events", [&](EventStream stream) { opened.set(stream); }); });
  Client client(serving.port());
  client.get("/events?transport=poll");
  client.end();
  const EventStream stream = opened.get();
  serving.loop.settle();
  CHECK(stream.send(Event("late")) == SendResult::queued);
  CHECK_THAT(client.read_reply().body, ContainsSubstring("late"));
  CHECK(client.read_end() == End::closed);
}

TEST_CASE("an event stream that its client has half closed ends at once", "[loopback][server][http]") {
  Awaited<EventStream> opened;
  Serving serving([&](Server& server) { server.stream("/events", [&](EventStream stream) { opened.set(stream); }); });
  Client client(serving.port());
  // With more after it than is read ahead: the end is found all the same.
  client.send(request_line("/events") + std::string(GENERATE(0, 300'000), 'x'));
  client.end();
  client.read_to_end();
  const EventStream stream = opened.get();
  CHECK(eventually([&] { return !stream.is_open() && serving.stats().streams == 0; }));
  CHECK(serving.ended(EndReason::client) == serving.stats().streams_opened);
}

// By portable means the end of a connection is found by reading or writing alone.
#if defined(__linux__) && !SPATE_PORTABLE
TEST_CASE("a client that breaks off is not waited for, whatever it has sent before", "[loopback][server][http]") {
  struct Gone {
    explicit Gone(Journal& told) : journal(told) {}
    Gone(const Gone&) = delete;
    Gone& operator=(const Gone&) = delete;
    ~Gone() { journal.add("gone"); }
    Journal& journal;
  };
  Journal begun, gone;
  const auto wait_long = [&](const asio::any_io_executor& executor) -> asio::awaitable<void> {
    const Gone at_the_end(gone);
    begun.add("begun");
    asio::steady_timer pause(executor, 1h);
    co_await pause.async_wait(asio::use_awaitable);
  };
  std::optional<PendingResponse> pending;
  std::optional<StreamedResponse> pieces;
  Serving serving([&](Server& server) {
    server.get("/coroutine", [&](const Request&) -> asio::awaitable<Response> {
      const asio::any_io_executor executor = co_await asio::this_coro::executor;
      co_await wait_long(executor);
      co_return Response(204);
    });
    server.get("/pending", [&](const Request&, PendingResponse response) {
      pending = response;
      response.on_error([&](std::error_code) { gone.add("gone"); });
      begun.add("begun");
    });
    server.get("/pieces", [&](const Request&, StreamedResponse response) {
      pieces = response;
      response.on_error([&](std::error_code) { gone.add("gone"); });
      begun.add("begun");
    });
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      const asio::any_io_executor executor = stream.get_executor();
      co_await wait_long(executor);
    });
    server.stream("/poll", [&](const EventStream& stream) {
      stream.on_complete([&] { gone.add("gone"); });
      stream.open();
      begun.add("begun");
    });
  });
  const std::string target =
      GENERATE(as<std::string>{}, "/coroutine", "/pending", "/pieces", "/events", "/poll?transport=poll&timeout=60000");
  // Nothing, what is read ahead, and more than that.
  const std::string behind(GENERATE(0U, 10'000U, 300'000U), 'x');
  CAPTURE(target, behind.size());
  Client client(serving.port());
  client.send(request_line(target));
  CHECK(begun.wait_for(1) == Texts{"begun"});
  client.send(behind);
  serving.loop.settle();
  client.reset();
  CHECK(gone.wait_for(1) == Texts{"gone"});
  pending.reset();
  pieces.reset();
}

TEST_CASE("a client that has left what may become a stream is found, whatever it has sent before",
          "[loopback][server][http]") {
  Awaited<EventStream> opened;
  Awaited<bool> gone;
  Serving serving([&](Server& server) {
    server.stream("/events", [&](EventStream stream) -> asio::awaitable<void> {
      stream.on_complete([&] { gone.set(true); });
      opened.set(stream);
      co_await end_of(stream);
    });
  });
  Client client(serving.port());
  client.send(request_line("/events") + std::string(100'000, 'x'));
  opened.get();
  client.close();
  CHECK(gone.get());
}
#endif

TEST_CASE("unknown paths, methods and broken escapes have their answers", "[loopback][server][http]") {
  Serving serving([](Server& server) { server.get("/here/{id}", echo); });
  Client client(serving.port());
  const auto status_of = [&](const std::string& line) {
    client.send(line + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return client.read_reply().status;
  };
  CHECK(status_of("GET /there") == 404);
  CHECK(status_of("POST /here/1") == 405);
  CHECK(status_of("GET /here/%zz") == 400);
  CHECK(status_of("GET /here/1?a=%") == 400);
  CHECK(status_of("OPTIONS /here/1") == 204);
  CHECK(status_of("OPTIONS *") == 204);
  CHECK(status_of("GET /here/1") == 200);
  client.send("GET /here/1 HTTP/1.1\r\nHost: evil.example\r\n\r\n");
  CHECK(client.read_reply().status == 403);
}
