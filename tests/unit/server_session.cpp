// One connection that speaks HTTP/1: on a loop that turns when the test says so, by a clock that stands, to a client in
// memory.
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/error.hpp>
#include <asio/ip/address_v4.hpp>

#include <spate/detail/access.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/detail/session.hpp>
#include <spate/stream/event_stream.hpp>

#include "support/catch.hpp"
#include "support/held_loop.hpp"
#include "support/memory_transport.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

constexpr std::string_view get_hello = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A server with some routes, and one connection to it.
class HeldSession {
 public:
  explicit HeldSession(ServerOptions options = {}) : server_(make_ref<ServerCore>(std::move(options))) {
    add("GET", "/hello", ValueHandler([](const Request&) { return Response::text(200, "hello"); }));
    add("POST", "/echo",
        ValueHandler([](const Request& request) { return Response::text(200, std::string(request.body())); }));
    add("GET", "/large", ValueHandler([](const Request&) { return Response::text(200, std::string(10'000, 'x')); }));
    add("GET", "/later", RequestHandler([this](const auto&, PendingResponse answer, const auto&) {
          answer.on_error([this](std::error_code error) { notes.push_back("error: " + error.message()); });
          pending = std::move(answer);
        }));
    add("GET", "/events", StreamHandler([this](const EventStream& opened, const auto&) {
          stream = opened;
          opened.on_complete([this] { notes.push_back("complete"); });
          opened.open();
        }));
    session_ = make_ref<Session>(loop_.shard_ref(), server_, server_->hosts_of(asio::ip::address_v4::loopback()),
                                 transport_.connect());
    session_->start();
    loop_.turn();
  }
  HeldSession(const HeldSession&) = delete;
  HeldSession& operator=(const HeldSession&) = delete;
  ~HeldSession() {
    if (!client().is_gone()) session_->on_cut();
    if (stream) access::core(*stream)->on_cut();
    pending.reset();
    turn();
  }

  MemoryTransport::Client& client() { return transport_.client(); }
  void turn() { loop_.turn(); }
  void let_pass(Clock::duration time) { loop_.let_pass(time); }
  void drain() {
    server_->draining = true;
    session_->on_drain();
    turn();
  }

  /// Sends `bytes`; returns what is answered at once.
  std::string ask(std::string_view bytes) {
    client().send(bytes);
    turn();
    return client().take();
  }

  std::optional<PendingResponse> pending;
  std::optional<EventStream> stream;
  Texts notes;

 private:
  void add(std::string method, const char* pattern, Handler handler) {
    server_->router.add({{std::move(method)}, PathPattern(pattern), std::move(handler)});
  }

  MemoryTransport transport_;
  HeldLoop loop_;
  const Ref<ServerCore> server_;
  Ref<Session> session_;
};

/// Without the date, which depends on when it is.
std::string without_date(std::string answer) {
  for (std::size_t at; (at = answer.find("Date: ")) != std::string::npos;) {
    answer.erase(at, answer.find("\r\n", at) + 2 - at);
  }
  return answer;
}

}  // namespace

TEST_CASE("a request is answered, and the connection goes on", "[server][session]") {
  HeldSession one;
  for (int i = 0; i < 3; ++i) {
    const std::string answer = one.ask(get_hello);
    CHECK_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n") && ContainsSubstring("\r\n\r\nhello"));
    CHECK_FALSE(one.client().saw_end());
  }
}

TEST_CASE("however requests are cut, they are answered alike and in their order", "[server][session][split]") {
  const std::string requests = std::string(get_hello) +
                               "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n" +
                               "\r\nabcGET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  HeldSession whole;
  const std::string expected = without_date(whole.ask(requests));
  CHECK_THAT(expected, ContainsSubstring("hello") && ContainsSubstring("abc") && ContainsSubstring("404"));
  CHECK(whole.client().saw_end());
  for (std::size_t at = 0; at <= requests.size(); ++at) {
    CAPTURE(at);
    HeldSession cut;
    std::string answers = cut.ask(requests.substr(0, at));
    answers += cut.ask(requests.substr(at));
    CHECK(without_date(answers) == expected);
  }
  HeldSession bytewise;
  std::string answers;
  for (const char byte : requests) answers += bytewise.ask(std::string_view(&byte, 1));
  CHECK(without_date(answers) == expected);
}

TEST_CASE("however little is taken at a time, the answer is the same", "[server][session][split]") {
  HeldSession whole;
  const std::string expected = without_date(whole.ask("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  for (const std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
    CAPTURE(most);
    HeldSession slow;
    slow.client().limit_room(most);
    slow.client().send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    std::string answer;
    for (std::string piece; !(piece = slow.client().take()).empty(); slow.turn()) {
      CHECK(piece.size() <= most);
      answer += piece;
    }
    CHECK(without_date(answer) == expected);
    slow.client().limit_room(MemoryTransport::unlimited);
    CHECK_THAT(slow.ask(get_hello), ContainsSubstring("hello"));
  }
}

TEST_CASE("a request that takes too long is answered with 408, and nothing at all by closing",
          "[server][session][timeout]") {
  ServerOptions options;
  options.request_timeout = 10s;
  HeldSession one(options);
  SECTION("nothing came") {
    one.let_pass(10s - 1ms);
    CHECK_FALSE(one.client().is_gone());
    one.let_pass(1ms);
    CHECK(one.client().take().empty());
    CHECK(one.client().is_gone());
  }
  SECTION("half of it came") {
    CHECK(one.ask(get_hello.substr(0, 10)).empty());
    one.let_pass(10s);
    CHECK_THAT(one.client().take(), StartsWith("HTTP/1.1 408 "));
    CHECK(one.client().saw_end());
  }
  SECTION("the second one counts from its own first byte") {
    one.ask(get_hello);
    one.let_pass(60s);
    CHECK(one.ask(get_hello.substr(0, 10)).empty());
    one.let_pass(10s - 1ms);
    CHECK(one.client().take().empty());
    one.let_pass(1ms);
    CHECK_THAT(one.client().take(), StartsWith("HTTP/1.1 408 "));
  }
}

TEST_CASE("a connection that is kept closes when it has been idle for its time", "[server][session][timeout]") {
  ServerOptions options;
  options.idle_timeout = 75s;
  HeldSession one(options);
  one.ask(get_hello);
  one.let_pass(74s);
  CHECK_THAT(one.ask(get_hello), ContainsSubstring("hello"));
  one.let_pass(75s - 1ms);
  CHECK_FALSE(one.client().is_gone());
  one.let_pass(1ms);
  CHECK(one.client().is_gone());
}

TEST_CASE("a client that does not take its answer is given up", "[server][session][timeout]") {
  ServerOptions options;
  options.stream.write_timeout = 20s;
  HeldSession one(options);
  one.client().limit_room(100);
  one.client().send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
  one.let_pass(20s - 1ms);
  CHECK_FALSE(one.client().is_gone());
  one.let_pass(1ms);
  CHECK(one.client().is_gone());
}

TEST_CASE("what is no HTTP is answered once, and nothing after it is", "[server][session]") {
  HeldSession one;
  const std::string answer = one.ask("GET /hello HTTP/1.1\nHost: localhost\n\n" + std::string(get_hello));
  CHECK_THAT(answer, StartsWith("HTTP/1.1 400 ") && ContainsSubstring("Connection: close\r\n"));
  CHECK_THAT(answer, !ContainsSubstring("200 OK"));
  CHECK(one.client().saw_end());
}

TEST_CASE("an answer may come later, and what was sent after its request waits", "[server][session]") {
  HeldSession one;
  CHECK(one.ask("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(get_hello)).empty());
  REQUIRE(one.pending);
  CHECK(one.pending->respond(Response::text(200, "at last")));
  one.turn();
  const std::string answers = one.client().take();
  CHECK(answers.find("at last") < answers.find("hello"));
  CHECK_THAT(answers, ContainsSubstring("hello"));
}

TEST_CASE("whoever has a request is told that its client has gone", "[server][session][end]") {
  HeldSession one;
  one.ask("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
  REQUIRE(one.pending);
  SECTION("by a break") {
    one.client().reset();
    one.turn();
    CHECK(one.notes == Texts{"error: " + make_error_code(asio::error::connection_reset).message()});
    CHECK(one.client().is_gone());
  }
  SECTION("but not by the end of its side: it may wait for its answer") {
    one.client().end();
    one.turn();
    CHECK(one.notes.empty());
    one.pending->respond(Response::text(200, "at last"));
    one.turn();
    CHECK_THAT(one.client().take(), ContainsSubstring("at last"));
    CHECK(one.client().saw_end());
  }
}

TEST_CASE("a stream takes the connection, and nothing else is answered on it", "[server][session][stream]") {
  HeldSession one;
  const std::string head = one.ask("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(get_hello));
  CHECK_THAT(head, ContainsSubstring("Content-Type: text/event-stream\r\n") && ContainsSubstring("\r\n\r\n"));
  REQUIRE(one.stream);
  one.stream->send(Event("x"));
  one.turn();
  CHECK(one.client().take() == "9\r\ndata: x\n\n\r\n");
  one.client().end();
  one.turn();
  CHECK(one.notes == Texts{"complete"});
  CHECK(one.client().is_gone());
}

TEST_CASE("whichever write fails, the connection closes and its handler is not asked again",
          "[server][session][failure]") {
  HeldSession one;
  one.client().fail_write(1, std::make_error_code(std::errc::broken_pipe));
  CHECK_THAT(one.ask(get_hello), ContainsSubstring("hello"));
  CHECK(one.ask(get_hello).empty());
  CHECK(one.client().is_gone());
}

TEST_CASE("a server that drains closes what is idle, and lets what is going on end", "[server][session][drain]") {
  HeldSession one;
  SECTION("idle") {
    one.ask(get_hello);
    one.drain();
    CHECK(one.client().is_gone());
  }
  SECTION("in the middle of a request") {
    one.ask(get_hello.substr(0, 20));
    one.drain();
    CHECK_FALSE(one.client().is_gone());
    CHECK_THAT(one.ask(get_hello.substr(20)), ContainsSubstring("hello") && ContainsSubstring("Connection: close\r\n"));
    CHECK(one.client().saw_end());
  }
  SECTION("waiting for an answer") {
    one.ask("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    one.drain();
    one.pending->respond(Response::text(200, "at last"));
    one.turn();
    CHECK_THAT(one.client().take(), ContainsSubstring("at last") && ContainsSubstring("Connection: close\r\n"));
    CHECK(one.client().saw_end());
  }
}

// ---- the access log ----

namespace {

/// Options of a server that notes what its access log is told.
ServerOptions logging(std::vector<AccessRecord>& told) {
  ServerOptions options;
  options.access_log = [&told](const AccessRecord& record) { told.push_back(record); };
  return options;
}

}  // namespace

TEST_CASE("an answer is told to the access log once, when its last byte is with the transport",
          "[server][session][access_log]") {
  std::vector<AccessRecord> told;
  HeldSession one(logging(told));
  one.client().limit_room(4000);
  one.client().send("GET /large?a=b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a test\r\n\r\n");
  one.let_pass(2s);
  one.client().take();  // which makes room for the second piece
  one.let_pass(1500ms);
  CHECK(told.empty());
  one.client().take();  // and for the last
  one.turn();
  REQUIRE(told.size() == 1);
  CHECK(told[0].protocol == "HTTP/1.1");
  CHECK(told[0].method == "GET");
  CHECK(told[0].target == "/large?a=b");
  CHECK(told[0].route == "/large");
  CHECK(told[0].user_agent == "a test");
  CHECK(told[0].status == 200);
  CHECK(told[0].body_bytes == 10'000);
  CHECK(told[0].complete);
  CHECK(told[0].duration == 3500ms);
  CHECK_FALSE(told[0].stream_end);
  one.let_pass(1h);  // the connection is closed as idle, of which nothing is told
  CHECK(one.client().is_gone());
  CHECK(told.size() == 1);
}

TEST_CASE("each request of a connection is told of by itself, however its bytes come",
          "[server][session][access_log]") {
  const std::size_t size = GENERATE(1u, 7u, 1000u);
  std::vector<AccessRecord> told;
  HeldSession one(logging(told));
  const std::string all = std::string(get_hello) +
                          "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc" +
                          "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";
  for (std::size_t at = 0; at < all.size(); at += size) one.ask(std::string_view(all).substr(at, size));
  REQUIRE(told.size() == 3);
  CHECK(told[0].target == "/hello");
  CHECK(told[0].body_bytes == 5);
  CHECK(told[1].method == "POST");
  CHECK(told[1].route == "/echo");
  CHECK(told[1].body_bytes == 3);
  CHECK(told[2].status == 404);
  CHECK(told[2].route.empty());
  for (const AccessRecord& record : told) CHECK(record.complete);
}

TEST_CASE("what never became a request is told with what came of it", "[server][session][access_log]") {
  std::vector<AccessRecord> told;
  ServerOptions options = logging(told);
  options.request_timeout = 10s;
  HeldSession one(options);
  SECTION("one that took too long") {
    one.ask("GET /hel");
    one.let_pass(10s);
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 408);
    CHECK(told[0].target == "/hel");
    CHECK(told[0].duration == 10s);
  }
  SECTION("one that is no HTTP") {
    one.ask("\x16\x03\x01 hello\r\n\r\n");
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 400);
    CHECK(told[0].protocol.empty());
    CHECK(told[0].target.empty());
  }
  SECTION("one whose head is too large") {
    std::string fields;
    for (int i = 0; i < 200; ++i) fields += "X-Much: " + std::string(200, 'x') + "\r\n";
    one.ask("GET /hello HTTP/1.1\r\nHost: localhost\r\n" + fields + "\r\n");
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 431);
    CHECK(told[0].target == "/hello");
  }
  CHECK(told[0].complete);
  CHECK(told[0].body_bytes > 0);
}

TEST_CASE("an answer that was given up is told with what went out of it", "[server][session][access_log]") {
  std::vector<AccessRecord> told;
  ServerOptions options = logging(told);
  options.stream.write_timeout = 20s;
  HeldSession one(options);
  SECTION("as its client takes nothing more") {
    one.client().limit_room(5000);
    one.client().send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n");
    one.let_pass(20s);
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 200);
    const std::string_view written = one.client().waiting();
    CHECK(told[0].body_bytes == written.size() - (written.find("\r\n\r\n") + 4));
  }
  SECTION("before it was known") {
    one.ask("GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n");
    one.let_pass(3s);
    CHECK(told.empty());
    one.client().reset();
    one.turn();
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 0);
    CHECK(told[0].route == "/later");
    CHECK(told[0].duration == 3s);
    // An answer that comes now is nobody's.
    one.pending->respond(Response::text(200, "late"));
    one.turn();
    CHECK(told.size() == 1);
  }
  CHECK_FALSE(told[0].complete);
}

TEST_CASE("nothing is told of a connection on which nothing was asked", "[server][session][access_log]") {
  std::vector<AccessRecord> told;
  HeldSession one(logging(told));
  SECTION("none of it") {
    one.client().end();
  }
  SECTION("not to its end") {
    one.ask("GET /hello HTTP/1.1\r\n");
    one.client().reset();
  }
  one.turn();
  CHECK(told.empty());
}

TEST_CASE("a stream is told of when it has ended", "[server][session][access_log]") {
  std::vector<AccessRecord> told;
  HeldSession one(logging(told));
  const std::string head = one.ask("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  one.stream->send(Event("one"));
  one.turn();
  one.stream->comment("no event");
  one.let_pass(60s);
  CHECK(told.empty());
  SECTION("by the program") {
    one.client().limit_room(1);
    one.client().take();
    one.stream->complete(Event("last"));
    one.let_pass(5s);
    CHECK(told.empty());  // its last chunk waits for the client
    one.client().limit_room(MemoryTransport::unlimited);
    one.turn();
    REQUIRE(told.size() == 1);
    CHECK(told[0].stream_end == EndReason::completed);
    CHECK(told[0].complete);
    CHECK(told[0].duration == 65s);
  }
  SECTION("by its client") {
    const std::string events = one.client().take();
    one.client().reset();
    one.turn();
    REQUIRE(told.size() == 1);
    CHECK(told[0].stream_end == EndReason::client);
    CHECK_FALSE(told[0].complete);
    CHECK(told[0].duration == 60s);
    // All that came behind the head.
    CHECK(told[0].body_bytes == head.size() - (head.find("\r\n\r\n") + 4) + events.size());
  }
  CHECK(told[0].status == 200);
  CHECK(told[0].route == "/events");
  CHECK(told[0].events >= 1);
}

TEST_CASE("what an access log throws is told to the program, and costs nobody anything",
          "[server][session][access_log]") {
  ServerOptions options;
  Texts reported;
  options.access_log = [](const AccessRecord&) { throw std::runtime_error("the disk is full"); };
  options.on_exception = [&](std::exception_ptr exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& error) {
      reported.push_back(error.what());
    }
  };
  HeldSession one(options);
  for (int i = 0; i < 3; ++i) CHECK_THAT(one.ask(get_hello), ContainsSubstring("hello"));
  CHECK(reported == Texts{"the disk is full", "the disk is full", "the disk is full"});
}
