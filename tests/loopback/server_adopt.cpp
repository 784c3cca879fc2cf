// Connections that somebody else accepted come in by the same door as all others.
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <spate/registry/emitter.hpp>
#include <spate/stream/stream_host.hpp>
#include "support/catch.hpp"
#include "support/one_stream.hpp"
#include "support/refusal.hpp"
#include "support/stream_collection.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using Catch::Matchers::ContainsSubstring;
using namespace std::chrono_literals;

namespace {

/// A connected pair: the server's end as the program would have it, and the client's.
std::pair<asio::ip::tcp::socket, Client> pair_on(Loop& loop) {
  asio::ip::tcp::acceptor acceptor = listening(loop.io.get_executor());
  Client client(acceptor.local_endpoint().port());
  return {acceptor.accept(), std::move(client)};
}

Request local(std::string method, std::string_view target) {
  return Request(std::move(method), target).add_header("Host", "localhost");
}

}  // namespace

TEST_CASE("an adopted request counts against the limits like an accepted connection", "[loopback][server][adopt]") {
  ServerOptions options;
  const bool by_address = GENERATE(false, true);
  (by_address ? options.max_connections_per_address : options.max_connections) = 1;
  StreamCollection streams;
  Serving serving([&](Server& server) { server.stream("/e", [&](EventStream stream) { streams.add(stream); }); },
                  options);
  auto [first, first_client] = pair_on(serving.loop);
  serving.server().adopt(std::move(first), local("GET", "/e"));
  EventClient listens(std::move(first_client));
  for (const bool parsed : {true, false}) {
    auto [socket, client] = pair_on(serving.loop);
    if (parsed) {
      serving.server().adopt(std::move(socket), local("GET", "/e"));
    } else {
      serving.server().adopt(std::move(socket));
      client.get("/e");
    }
    const Reply reply = client.read_reply();
    CHECK(reply.status == 503);
    CHECK(reply.field("Connection") == "close");
    CHECK(client.read_end() == End::closed);
  }
  CHECK(serving.stats().streams == 1);
  CHECK(serving.stats().rejected == 2);
  // Its place is free again when it ends.
  streams.newest().complete();
  listens.rest();
  CHECK(listens.completed());
  listens.connection().close();
  CHECK(eventually([&] {
    auto [socket, client] = pair_on(serving.loop);
    serving.server().adopt(std::move(socket), local("GET", "/e"));
    return client.read_head().status == 200;
  }));
}

TEST_CASE("an adopted request that comes after a shutdown is answered with 503", "[loopback][server][adopt]") {
  Serving serving(
      [](Server& server) { server.get("/hello", [](const Request&) { return Response::text(200, "hello"); }); });
  Awaited<std::size_t> done;
  serving.server().shutdown(20s, [&](std::size_t cut) { done.set(cut); });
  CHECK(done.get() == 0);
  auto [socket, client] = pair_on(serving.loop);
  serving.server().adopt(std::move(socket), local("GET", "/hello"));
  CHECK(client.read_reply().status == 503);
  CHECK(client.read_end() == End::closed);
  CHECK(serving.stats().requests == 0);
}

TEST_CASE("a stream of an adopted request ends with the request's credential", "[loopback][server][adopt]") {
  Journal journal;
  Serving serving(
      [&](Server& server) { server.stream("/e", [&](const EventStream& stream) { watch(stream, journal); }); });
  Request request = local("GET", "/e");
  request.set_expiry(std::chrono::system_clock::now() + 50ms);
  SECTION("of a server's") {
    auto [socket, client] = pair_on(serving.loop);
    serving.server().adopt(std::move(socket), std::move(request));
    EventClient events(std::move(client));
    CHECK(events.rest().empty());
    CHECK(events.completed());
    CHECK(eventually([&] { return serving.ended(EndReason::expired) == 1; }));
  }
  SECTION("of a host's") {
    std::optional<StreamHost> host(std::in_place, serving.loop.io.get_executor());
    auto [socket, client] = pair_on(serving.loop);
    const EventStream stream = host->open(std::move(socket), std::move(request));
    stream.open();
    EventClient events(std::move(client));
    CHECK(events.rest().empty());
    CHECK(events.completed());
    serving.loop.run([&] { host.reset(); });
  }
}

TEST_CASE("HEAD on a host is answered with the head alone, and nobody listens", "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  auto [socket, client] = pair_on(loop);
  const auto [target, type, chunked] = GENERATE(table<std::string, std::string, bool>({
      {"/x", "text/event-stream", true},
      {"/x?transport=poll&timeout=0", "application/json", false},
      {"/x?transport=iframe", "text/html; charset=utf-8", true},
  }));
  const EventStream stream = host->open(std::move(socket), Request("HEAD", target), {{"X-Mine", "yes"}});
  Journal journal;
  watch(stream, journal);
  CHECK_FALSE(stream.is_open());
  Emitter emitter;
  SECTION("whoever sends") {
    CHECK(stream.header("Link", "</>"));
    CHECK(stream.send(Event("body to a HEAD")) == SendResult::closed);
  }
  SECTION("whoever registers it") {
    CHECK(stream.header("Link", "</>"));
    emitter.add("ann", stream);
    CHECK(emitter.stream_count() == 0);
  }
  SECTION("whoever completes it") {
    CHECK(stream.header("Link", "</>"));
    stream.complete(Event("last"));
  }
  const Head head = client.read_head();
  CHECK(head.status == 200);
  CHECK(head.field("Content-Type") == type);
  CHECK(head.field("Transfer-Encoding") == (chunked ? "chunked" : ""));
  CHECK(head.count("Content-Length") == 0);
  CHECK(head.field("X-Mine") == "yes");
  CHECK(head.field("Link") == "</>");
  CHECK(head.field("Connection") == "close");
  CHECK(client.read_end() == End::closed);
  CHECK(journal.wait_for(1) == Texts{"complete"});
  loop.run([&] { host.reset(); });
}

TEST_CASE("HEAD on a host can be refused like any other request", "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  auto [socket, client] = pair_on(loop);
  CHECK(host->open(std::move(socket), Request("HEAD", "/x")).reject(Response::error(404, "nothing here")));
  CHECK(client.read_reply(Client::Method::head).status == 404);
  CHECK(client.read_end() == End::closed);
  loop.run([&] { host.reset(); });
}

TEST_CASE("a host takes no stream after its drain, and says so", "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  host->drain();
  auto [socket, client] = pair_on(loop);
  try {
    host->open(std::move(socket), Request("GET", "/x"));
    FAIL("it took one");
  } catch (const std::system_error& error) {
    CHECK(error.code() == Errc::shut_down);
    CHECK_THAT(error.what(), ContainsSubstring("drains"));
  }
  CHECK(socket.is_open());  // still the caller's, who answers
  loop.run([&] { host.reset(); });
}

TEST_CASE("a host refuses fields that would break the head, and quotes them", "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  auto [socket, client] = pair_on(loop);
  const auto open = [&, &own = socket](std::string name, std::string value) {
    return refusal([&] { host->open(std::move(own), Request("GET", "/x"), {{name, value}}); });
  };
  CHECK_THAT(open("X-Mine", "a\r\nSet-Cookie: forged"), ContainsSubstring("a\\r\\nSet-Cookie: forged"));
  CHECK_THAT(open("X-Mine: yes\r\n", ""), ContainsSubstring("X-Mine: yes\\r\\n"));
  CHECK_THAT(open("", "value"), ContainsSubstring("\"\""));
  CHECK_THAT(open("content-length", "5"), ContainsSubstring("content-length"));
  CHECK_THAT(open("Transfer-Encoding", "identity"), ContainsSubstring("Transfer-Encoding"));
  CHECK_THAT(open("Content-Type", "text/html"), ContainsSubstring("Content-Type"));
  CHECK(socket.is_open());
  loop.run([&] { host.reset(); });
}

TEST_CASE("a poll on a host gets the whole of a large answer", "[loopback][server][host]") {
  StreamOptions options = roomy();
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor(), options);
  asio::ip::tcp::acceptor acceptor = listening(loop.io.get_executor(), Serving::small_buffer);
  Client client(acceptor.local_endpoint().port(), Serving::small_buffer);
  const EventStream stream = host->open(acceptor.accept(), Request("GET", "/x?transport=poll"));
  const std::string large(900 * 1024, 'x');
  CHECK(stream.send(Event(large)) == SendResult::queued);
  const Reply reply = client.read_reply();
  CHECK(reply.status == 200);
  CHECK((reply.body.find(large) != std::string::npos));
  CHECK(client.read_end() == End::closed);
  loop.run([&] { host.reset(); });
}

TEST_CASE("a client of a host that has ended its side gets every answer that is no stream",
          "[loopback][server][host]") {
  struct Case {
    const char* method;
    const char* target;
    std::function<void(const EventStream&)> answer;
    int status;
    const char* in_body;
  };
  const Case table[] = {
      {"GET", "/x", [](const EventStream& stream) { stream.reject(Response::error(409, "not now")); }, 409, "not now"},
      {"POST", "/x", [](const EventStream& stream) { stream.reject(Response::json(200, "{}")); }, 200, "{}"},
      {"HEAD", "/x", [](const EventStream& stream) { stream.open(); }, 200, ""},
      {"GET", "/x?transport=poll", [](const EventStream& stream) { stream.send(Event("late")); }, 200, "late"},
      {"GET", "/x?transport=poll&timeout=60000", [](const EventStream& stream) { stream.send(Event("late")); }, 200,
       "late"},
      // It has perhaps gone: soon.
      {"GET", "/x?transport=poll&timeout=60000", [](const EventStream& stream) { stream.open(); }, 200,
       "\"events\":[]"},
      {"GET", "/x?transport=poll&timeout=0", [](const EventStream& stream) { stream.open(); }, 200, "\"events\":[]"},
  };
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  for (const Case& c : table) {
    INFO(c.method << ' ' << c.target);
    auto [socket, client] = pair_on(loop);
    client.end();
    const EventStream stream = host->open(std::move(socket), Request(c.method, c.target));
    loop.settle();  // it has seen the end by now
    c.answer(stream);
    const Reply reply =
        client.read_reply(c.method == std::string("HEAD") ? Client::Method::head : Client::Method::other);
    CHECK(reply.status == c.status);
    CHECK_THAT(reply.body, ContainsSubstring(c.in_body));
    CHECK(client.read_end() == End::closed);
  }
  loop.run([&] { host.reset(); });
}

TEST_CASE("a client of a host that ends its side while a poll waits is answered soon", "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  auto [socket, client] = pair_on(loop);
  const EventStream stream = host->open(std::move(socket), Request("GET", "/x?transport=poll&timeout=60000"));
  stream.open();
  loop.settle();
  client.end();
  CHECK_THAT(client.read_reply().body, ContainsSubstring("\"events\":[]"));
  loop.run([&] { host.reset(); });
}

TEST_CASE("an event stream on a host that its client has half closed ends at once", "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  Journal journal;
  auto [socket, client] = pair_on(loop);
  const EventStream stream = host->open(std::move(socket), Request("GET", "/x"));
  watch(stream, journal);
  SECTION("before it begins, as soon as it is sure that a stream is what comes") {
    client.end();
    loop.settle();
    CHECK(journal.entries().empty());  // it may wait for an answer that is none
    stream.send(Event("x"));
    CHECK(client.read_to_end().empty());
  }
  SECTION("while it is open") {
    stream.open();
    client.read_head();
    client.end();
    client.read_to_end();
  }
  CHECK(journal.wait_for(1) == Texts{"complete"});
  CHECK_FALSE(stream.is_open());
  loop.run([&] { host.reset(); });
}

TEST_CASE("a client of a host that has ended its side and left is looked for by a word to skip",
          "[loopback][server][host]") {
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor());
  Journal journal;
  auto [socket, client] = pair_on(loop);
  client.end();
  const EventStream stream = host->open(std::move(socket), Request("GET", "/x"));
  watch(stream, journal);
  SECTION("one that waits skips it") {
    CHECK(client.read_head().status == 100);
    stream.reject(Response::error(409, "not now"));
    CHECK(client.read_reply().status == 409);
  }
  SECTION("one that has gone is noticed") {
    loop.settle();
    client.close();
  }
  CHECK(journal.wait_for(1) == Texts{"complete"});
  loop.run([&] { host.reset(); });
}

TEST_CASE("a client of a host that reads less of its answer than the least rate is given up",
          "[loopback][server][host]") {
  StreamOptions options = roomy();
  const bool asked_too_much = GENERATE(true, false);
  options.write_timeout = asked_too_much ? 300ms : 1s;
  options.min_rate = asked_too_much ? 10'000'000 : 1000;
  Loop loop;
  std::optional<StreamHost> host(std::in_place, loop.io.get_executor(), options);
  // The kernel asks for more again and again, as it holds so little.
  asio::ip::tcp::acceptor acceptor = listening(loop.io.get_executor(), Serving::small_buffer);
  Client client(acceptor.local_endpoint().port(), Serving::small_buffer);
  const EventStream stream = host->open(acceptor.accept(), Request("GET", "/x?transport=poll"));
  stream.send(Event(std::string(8 * 1024 * 1024, 'x')));
  const std::size_t wanted = 1000 * 1000;
  std::size_t taken = 0;
  try {
    for (; taken < wanted; taken += 10'000) {
      client.read_exactly(10'000);
      std::this_thread::sleep_for(20ms);  // its pace
    }
  } catch (const Failure&) {
    CHECK(client.how_ended() != End::open);
  }
  CHECK((taken < wanted) == asked_too_much);
  loop.run([&] { host.reset(); });
}
