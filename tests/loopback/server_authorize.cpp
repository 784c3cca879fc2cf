// Who may pass: RouteOptions::authorize, as a function and as a coroutine, before every kind of handler.
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <asio/awaitable.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/event_client.hpp"
#include "support/exceptions.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

using Verdict = std::optional<Response>;

namespace {

// What every hook of these tests decides. The user of `X-User` goes into the path parameter.
Verdict decide(Request& request) {
  const auto user = request.header("x-user");
  if (!user) return Response::error(401, "who are you?").header("WWW-Authenticate", "Bearer");
  if (*user == "elsewhere") return Response(307).header("Location", "/somewhere");
  if (*user == "faulty") throw std::runtime_error("no verdict");
  request.set_param("user", std::string(*user));
  return std::nullopt;
}

// A turn of the loop, so that what follows runs after the request was read.
asio::awaitable<void> a_while() {
  asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
  co_await timer.async_wait(asio::use_awaitable);
}

AuthorizeHook make_hook(std::string_view kind) {
  if (kind == "function") return decide;
  if (kind == "coroutine") {
    return [](Request& request) -> asio::awaitable<Verdict> {
      co_await a_while();
      co_return decide(request);
    };
  }
  return [](Request& request) -> asio::awaitable<Verdict> { co_return decide(request); };
}

/// A route of every kind under one hook, each of which says whom it serves and notes that it ran.
struct Guarded {
  explicit Guarded(AuthorizeHook hook, ServerOptions options = {})
      : serving(
            [&](Server& server) {
              RouteOptions guarded;
              guarded.authorize = std::move(hook);
              server.get(
                  "/value/{user}", [this](const Request& request) { return serve(request); }, guarded);
              server.get(
                  "/coroutine/{user}",
                  [this](const Request& request) -> asio::awaitable<Response> {
                    co_await a_while();
                    co_return serve(request);
                  },
                  guarded);
              server.get(
                  "/pending/{user}",
                  [this](const Request& request, const PendingResponse& pending) { pending.respond(serve(request)); },
                  guarded);
              server.stream(
                  "/stream/{user}",
                  [this](const EventStream& stream) {
                    stream.send(Event(serve(*stream.request()).body()));
                    stream.complete();
                  },
                  guarded);
              server.get("/open", [](const Request&) { return Response::text(200, "open"); });
            },
            [&] {
              options.on_exception = note_in(exceptions);
              return std::move(options);
            }()) {}

  Response serve(const Request& request) {
    served.add(std::string(request.param("user")));
    return Response::text(200, "for " + std::string(request.param("user")));
  }

  Journal served;
  Journal exceptions;
  Serving serving;
};

/// A hook that says when it is asked, and decides when the test says so. It notes when it is cancelled instead.
struct Gate {
  struct State {
    Journal asked;
    Journal left;
    std::vector<asio::steady_timer*> waiting;  // on the loop only
  };
  std::shared_ptr<State> state = std::make_shared<State>();

  AuthorizeHook hook() const {
    return [state = state](Request& request) -> asio::awaitable<Verdict> {
      asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      state->waiting.push_back(&timer);
      state->asked.add(std::string(request.target()));
      std::error_code error;
      co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
      std::erase(state->waiting, &timer);
      const auto cancellation = co_await asio::this_coro::cancellation_state;
      if (cancellation.cancelled() != asio::cancellation_type::none) state->left.add(std::string(request.target()));
      co_return decide(request);
    };
  }
  void open(Loop& loop) const {
    loop.run([&] {
      for (asio::steady_timer* timer : state->waiting) timer->cancel();
    });
  }
};

const Texts kinds = {"/value/alice",
                     "/coroutine/alice",
                     "/pending/alice",
                     "/stream/alice",
                     "/stream/alice?transport=poll&timeout=0",
                     "/stream/alice?transport=iframe"};

}  // namespace

TEST_CASE("a hook decides before every kind of handler", "[loopback][server][authorize]") {
  Guarded guarded(make_hook(GENERATE("function", "coroutine", "coroutine at once")));
  for (const std::string& target : kinds) {
    INFO(target);
    Client client(guarded.serving.port());

    client.get(target);
    const Reply refused = client.read_reply();
    CHECK(refused.status == 401);
    CHECK(refused.field("WWW-Authenticate") == "Bearer");
    CHECK(refused.body == R"({"error":"who are you?"})");

    client.get(target, "X-User: elsewhere\r\n");
    const Reply redirected = client.read_reply();
    CHECK(redirected.status == 307);
    CHECK(redirected.field("Location") == "/somewhere");

    client.get(target, "X-User: faulty\r\n");
    CHECK(client.read_reply().status == 500);
    CHECK(guarded.exceptions.last() == "no verdict");
    CHECK(guarded.served.size() == 0);
  }
  CHECK(guarded.exceptions.size() == kinds.size());
  CHECK(guarded.serving.stats().streams_opened == 0);
}

TEST_CASE("who was recognised is served, whatever the path says", "[loopback][server][authorize]") {
  Guarded guarded(make_hook(GENERATE("function", "coroutine", "coroutine at once")));
  for (const std::string& target : kinds) {
    INFO(target);
    Client client(guarded.serving.port());
    client.get(target, "X-User: bob\r\nConnection: close\r\n");
    const Reply reply = client.read_reply();
    CHECK(reply.status == 200);
    CHECK(reply.body.find("for bob") != std::string::npos);
  }
  CHECK(guarded.served.entries() == Texts(kinds.size(), "bob"));
}

TEST_CASE("HEAD is asked about as well, and a preflight is not", "[loopback][server][authorize]") {
  ServerOptions options;
  options.cors.allow_origins = {"https://page.example"};
  Guarded guarded(make_hook(GENERATE("function", "coroutine")), options);
  Client client(guarded.serving.port());
  for (const std::string& target : kinds) {
    INFO(target);
    client.send("HEAD " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(client.read_reply(Client::Method::head).status == 401);
    client.send("HEAD " + target + " HTTP/1.1\r\nHost: localhost\r\nX-User: bob\r\n\r\n");
    CHECK(client.read_reply(Client::Method::head).status == 200);
    client.send("OPTIONS " + target +
                " HTTP/1.1\r\nHost: localhost\r\nOrigin: https://page.example\r\n"
                "Access-Control-Request-Method: GET\r\n\r\n");
    CHECK(client.read_reply().status == 204);
  }
  CHECK(guarded.serving.stats().streams_opened == 0);
}

TEST_CASE("whoever waits to send a body waits for the verdict about its head", "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  Client client(guarded.serving.port());
  const auto ask = [&](const std::string& target, const std::string& fields) {
    const std::size_t before = gate.state->asked.size();
    client.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n" +
                fields + "\r\n");
    CHECK(gate.state->asked.wait_for(before + 1).back() == target);
  };
  SECTION("who may pass sends it then, and is not asked about again") {
    for (const char* target : {"/value/alice", "/pending/alice"}) {
      ask(target, "X-User: bob\r\n");
      gate.open(guarded.serving.loop);
      CHECK(client.read_reply().status == 100);
      client.send("body");
      CHECK(client.read_reply().body == "for bob");
    }
    CHECK(gate.state->asked.size() == 2);
  }
  SECTION("or is heard without being invited, when it did not wait") {
    ask("/stream/alice", "X-User: bob\r\n");
    client.send("bo");
    guarded.serving.loop.settle();
    gate.open(guarded.serving.loop);
    client.send("dy");
    EventClient events(std::move(client));
    CHECK(events.rest() == Texts{"for bob"});
  }
  SECTION("who may not is told so before") {
    ask("/value/alice", "");
    gate.open(guarded.serving.loop);
    const Reply reply = client.read_reply();
    CHECK(reply.status == 401);
    CHECK(reply.field("Connection") == "close");
    CHECK(client.read_end() == End::closed);
  }
  SECTION("as is who asks for what cannot be had") {
    ask("/stream/alice?transport=paper", "X-User: bob\r\n");
    gate.open(guarded.serving.loop);
    CHECK(client.read_reply().status == 400);
  }
  SECTION("who leaves meanwhile ends the wait") {
    ask("/value/alice", "X-User: bob\r\n");
    client.reset();
    CHECK(gate.state->left.wait_for(1) == Texts{"/value/alice"});
  }
  SECTION("who ends their side will not send it") {
    ask("/value/alice", "X-User: bob\r\n");
    client.end();
    guarded.serving.loop.settle();
    gate.open(guarded.serving.loop);
    CHECK(client.read_to_end().empty());
    CHECK(guarded.served.size() == 0);
  }
}

TEST_CASE("what comes after a request waits for its verdict", "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  Client client(guarded.serving.port());
  client.get("/value/alice", "X-User: bob\r\n");
  client.get("/open");
  client.get("/value/alice");
  CHECK(gate.state->asked.wait_for(1) == Texts{"/value/alice"});
  guarded.serving.loop.settle();
  CHECK(guarded.serving.stats().requests == 1);
  gate.open(guarded.serving.loop);
  CHECK(client.read_reply().body == "for bob");
  CHECK(client.read_reply().body == "open");
  CHECK(gate.state->asked.wait_for(2).size() == 2);
  gate.open(guarded.serving.loop);
  CHECK(client.read_reply().status == 401);
  CHECK(gate.state->left.size() == 0);
}

TEST_CASE("a client that leaves ends the wait for a verdict", "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  for (const std::string& target : kinds) {
    INFO(target);
    const std::size_t before = gate.state->left.size();
    Client client(guarded.serving.port());
    client.get(target, "X-User: bob\r\n");
    gate.state->asked.wait_for(before + 1);
    client.reset();
    CHECK(gate.state->left.wait_for(before + 1).back() == target);
  }
  guarded.serving.loop.settle();
  CHECK(guarded.served.size() == 0);
  CHECK(guarded.exceptions.size() == 0);
  CHECK(guarded.serving.stats().streams_opened == 0);
}

TEST_CASE("who ends only their side has left a stream, and waits for any other answer",
          "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  const auto ask_and_end = [&](const std::string& target, const std::string& fields) {
    Client client(guarded.serving.port());
    const std::size_t before = gate.state->asked.size();
    client.get(target, fields);
    gate.state->asked.wait_for(before + 1);
    client.end();
    return client;
  };
  Client listener = ask_and_end("/stream/alice", "X-User: bob\r\n");
  Client poller = ask_and_end("/stream/alice?transport=poll&timeout=0", "X-User: bob\r\n");
  Client other = ask_and_end("/value/alice", "X-User: bob\r\n");
  Client refused = ask_and_end("/stream/alice", "");
  guarded.serving.loop.settle();
  gate.open(guarded.serving.loop);
  // The stream ends as it begins.
  CHECK(listener.read_to_end().empty());
  CHECK(poller.read_reply().status == 200);
  CHECK(other.read_reply().body == "for bob");
  CHECK(refused.read_reply().status == 401);
  for (Client* client : {&poller, &other, &refused}) CHECK(client->read_end() == End::closed);
  CHECK(gate.state->left.size() == 0);
}

TEST_CASE("who has ended their side and then leaves altogether ends the wait for a verdict",
          "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  Client client(guarded.serving.port());
  client.get("/stream/alice", "X-User: bob\r\n");
  gate.state->asked.wait_for(1);
  client.end();
  guarded.serving.loop.settle();
  const bool broken = GENERATE(true, false);
  broken ? client.reset() : client.close();
  CHECK(gate.state->left.wait_for(1) == Texts{"/stream/alice"});
}

TEST_CASE("who has ended their side and waits long is looked for by a word to skip (RFC 9110 15.2)",
          "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  Client client(guarded.serving.port());
  client.get("/stream/alice");
  client.end();
  CHECK(client.read_reply().status == 100);
  gate.open(guarded.serving.loop);
  CHECK(client.read_reply().status == 401);
  CHECK(client.read_end() == End::closed);
}

TEST_CASE("what a hook throws that nobody waits for is told all the same", "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  Client client(guarded.serving.port());
  client.get("/value/alice", "X-User: faulty\r\n");
  gate.state->asked.wait_for(1);
  client.reset();
  CHECK(guarded.exceptions.wait_for(1) == Texts{"no verdict"});
}

TEST_CASE("that a client's leaving ended a coroutine is no failure", "[loopback][server][authorize]") {
  Journal asked;
  auto ended = std::make_shared<int>();
  Guarded guarded([&asked, ended](Request&) -> asio::awaitable<Verdict> {
    const auto held = ended;
    asio::steady_timer timer(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    asked.add("asked");
    co_await timer.async_wait(asio::use_awaitable);
    co_return std::nullopt;
  });
  const long before = ended.use_count();
  Client client(guarded.serving.port());
  client.get("/value/alice");
  asked.wait_for(1);
  CHECK(ended.use_count() == before + 1);
  client.reset();
  CHECK(eventually([&] { return ended.use_count() == before; }));
  guarded.serving.loop.settle();
  CHECK(guarded.exceptions.size() == 0);
}

TEST_CASE("a drain waits for a verdict until its deadline", "[loopback][server][authorize]") {
  const Gate gate;
  Guarded guarded(gate.hook());
  Client in_time(guarded.serving.port());
  in_time.get("/value/alice", "X-User: bob\r\n");
  Client listener(guarded.serving.port());
  listener.get("/stream/alice", "X-User: bob\r\n");
  gate.state->asked.wait_for(2);
  Awaited<std::size_t> cut;
  const bool late = GENERATE(false, true);
  guarded.serving.server().shutdown(late ? 30ms : std::chrono::milliseconds(patience),
                                    [&](std::size_t count) { cut.set(count); });
  if (late) {
    CHECK(cut.get() == 2);
    CHECK(gate.state->left.wait_for(2).size() == 2);
    CHECK(in_time.read_to_end().empty());
    CHECK(listener.read_to_end().empty());
    return;
  }
  guarded.serving.loop.settle();
  CHECK_FALSE(cut.is_set());
  gate.open(guarded.serving.loop);
  CHECK(in_time.read_reply().body == "for bob");
  in_time.close();
  // The stream is let in, says what it has to say, and ends.
  CHECK(EventClient(std::move(listener)).rest() == Texts{"for bob"});
  CHECK(cut.get() == 0);
}

TEST_CASE("a server may go while a hook is asked", "[loopback][server][authorize]") {
  const Gate gate;
  std::optional<Guarded> guarded(std::in_place, gate.hook());
  Client client(guarded->serving.port());
  client.get("/value/alice", "X-User: bob\r\n");
  gate.state->asked.wait_for(1);
  guarded->serving.destroy();
  CHECK(client.read_to_end().empty());
  CHECK(gate.state->left.wait_for(1).size() == 1);
  guarded.reset();
  CHECK(gate.state.use_count() == 1);
}

TEST_CASE("a stream ends with the credential that admitted it", "[loopback][server][authorize]") {
  ServerOptions options;
  options.stream.farewell = [](EndReason reason) {
    return std::optional(Event(std::string(to_string(reason))).name("closing"));
  };
  RouteOptions guarded;
  guarded.authorize = [](Request& request) -> Verdict {
    request.set_expiry(std::chrono::system_clock::now() + 30ms);
    return std::nullopt;
  };
  Serving serving(
      [&](Server& server) {
        server.stream(
            "/", [](const EventStream&) {}, guarded);
      },
      options);

  EventClient client(serving.port(), "/");
  const DecodedEvent last = client.next();
  CHECK(last.name == "closing");
  CHECK(last.data == "expired");
  CHECK(client.completed());

  Client frame(serving.port());
  frame.get("/?transport=iframe");
  CHECK(frame.read_reply().body.find("expired") != std::string::npos);

  // A poll is answered then, and nothing is said about the end: its client asks again, and is refused.
  Client poll(serving.port());
  poll.get("/?transport=poll&timeout=60000");
  CHECK(poll.read_reply().body.find("\"events\":[]") != std::string::npos);
  CHECK(serving.ended(EndReason::expired) == 2);
  CHECK(serving.stats().streams == 0);
}

TEST_CASE("a credential that never runs out ends nothing", "[loopback][server][authorize]") {
  RouteOptions guarded;
  guarded.authorize = [](Request& request) -> Verdict {
    request.set_expiry(std::chrono::system_clock::time_point::max());
    return std::nullopt;
  };
  Serving serving([&](Server& server) {
    server.stream(
        "/", [](const EventStream& stream) { stream.send(Event("hello")); }, guarded);
  });
  EventClient client(serving.port(), "/");
  CHECK(client.next().data == "hello");
  CHECK(serving.stats().streams == 1);
}
