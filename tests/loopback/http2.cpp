// A server that speaks HTTP/2 besides HTTP/1.1: the same routes, streams and promises, many on one connection.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/http2/http2.hpp>
#include <spate/registry/emitter.hpp>
#include "support/catch.hpp"
#include "support/client.hpp"
#include "support/http2_client.hpp"
#include "support/serving.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;

namespace {

ServerOptions with_http2(std::uint32_t max_streams = 256) {
  ServerOptions options;
  options.http2 = std::make_shared<Http2>(Http2Options{max_streams});
  return options;
}

/// A server with a stream route whose streams the test may keep, and the usual others.
struct Http2Serving {
  explicit Http2Serving(ServerOptions options = with_http2(), int send_buffer = 0)
      : serving([this](Server& server) { add_routes(server); }, std::move(options), send_buffer) {}

  void add_routes(Server& server) {
    server.get("/", [](const Request& request) {
      return Response::text(
          200, std::string(request.authority().value_or("")) + " " + std::to_string(request.version_major()));
    });
    server.post("/echo", [](const Request& request) { return Response::text(200, std::string(request.body())); });
    server.stream("/events/{user}", [this](EventStream stream) {
      stream.on_complete([this] { left.add("left"); });
      emitter.add(stream.request()->param("user"), stream);
      stream.send(Event("hello"));
      opened.set(std::move(stream));
    });
    server.get("/later", [this](const Request&, PendingResponse response) { pending.set(std::move(response)); });
    server.get("/pieces", [this](const Request&, StreamedResponse response) { pieces.set(std::move(response)); });
  }

  Journal left;
  Awaited<EventStream> opened;
  Awaited<PendingResponse> pending;
  Awaited<StreamedResponse> pieces;
  Emitter emitter;
  Serving serving;
};

std::string event(std::string_view data) {
  return "data: " + std::string(data) + "\n\n";
}

}  // namespace

TEST_CASE("requests and answers over HTTP/2 are those of HTTP/1.1", "[loopback][http2]") {
  Http2Serving with;
  Http2Client client(with.serving.port());
  SECTION("a request knows whom it is for, and by which protocol") {
    const auto stream = client.get("/");
    CHECK(client.read_head(stream).status == 200);
    CHECK(client.read_head(stream).field("content-length") == "11");
    CHECK(client.read_body(stream) == "localhost 2");
  }
  SECTION("several at once are answered each on its own stream") {
    const auto first = client.begin("POST", "/echo"), second = client.begin("POST", "/echo");
    client.send_data(second, "two", true);
    CHECK(client.read_body(second) == "two");
    client.send_data(first, "one", true);
    CHECK(client.read_body(first) == "one");
  }
  SECTION("HEAD has the head and no body") {
    const auto stream = client.request("HEAD", "/");
    CHECK(client.read_head(stream).field("content-length") == "11");
    CHECK(client.read_body(stream).empty());
  }
  SECTION("what is wrong is said as ever") {
    const auto nothing = client.get("/nothing"), method = client.request("POST", "/");
    CHECK(client.read_head(nothing).status == 404);
    CHECK(client.read_head(method).status == 405);
    CHECK(client.read_head(method).field("allow") == "GET, HEAD, OPTIONS");
    const auto host =
        client.send_fields({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "example.org"}},
                           NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM);
    CHECK(client.read_head(host).status == 403);
  }
  SECTION("a body that is too large is refused, and the connection lives on") {
    const auto large = client.begin("POST", "/echo", {{"content-length", "1048577"}});
    CHECK(client.read_head(large).status == 413);
    client.expect_reset(large, NGHTTP2_NO_ERROR);
    const auto stream = client.get("/");
    CHECK(client.read_body(stream) == "localhost 2");
  }
  SECTION("a large body goes both ways through windows of the usual size") {
    const std::string body(200'000, 'b');
    const auto stream = client.begin("POST", "/echo");
    client.keep_windows_open();
    for (std::size_t at = 0; at < body.size(); at += 10'000) {
      while (client.window(0) < 0) client.next_frame();
      client.send_data(stream, std::string_view(body).substr(at, 10'000), at + 10'000 == body.size());
    }
    CHECK(client.read_body(stream) == body);
  }
}

TEST_CASE("HTTP/1.1 goes on beside it on the same port", "[loopback][http2]") {
  Http2Serving with;
  for (const bool in_pieces : {false, true}) {
    Client client(with.serving.port());
    // The first bytes of a method may be those of the other protocol's preface.
    if (in_pieces) client.send("P");
    if (in_pieces) with.serving.loop.settle();
    client.send(std::string(in_pieces ? "OST" : "POST") +
                " /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi");
    CHECK(client.read_reply().body == "hi");
  }
}

TEST_CASE("a request is read to its end whose first bytes told the protocol", "[loopback][http2]") {
  Http2Serving with;
  const std::size_t size = GENERATE(3'000u, 5'000u, 30'000u);
  const std::string body(size, 'b');
  Client client(with.serving.port());
  // The server waits when all of it comes: the socket tells of it once.
  CHECK(eventually([&] { return with.serving.server().stats().connections == 1; }));
  with.serving.loop.settle();
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n" + body);
  CHECK(client.read_reply().body == body);
}

TEST_CASE("a client of HTTP/2 may send its preface byte by byte", "[loopback][http2]") {
  Http2Serving with;
  Http2Client client = Http2Client::silent(std::make_unique<Client>(with.serving.port()));
  for (const char byte : std::string_view(NGHTTP2_CLIENT_MAGIC)) {
    client.send({&byte, 1});
    with.serving.loop.settle();
  }
  client.change_settings({});
  const auto stream = client.get("/");
  CHECK(client.read_body(stream) == "localhost 2");
}

TEST_CASE("streams of one connection hear what each is sent, and end by themselves", "[loopback][http2]") {
  Http2Serving with;
  auto connected = std::make_unique<Http2Client>(with.serving.port());
  Http2Client& client = *connected;
  std::vector<std::uint32_t> streams;
  for (int i = 0; i < 100; ++i) streams.push_back(client.get("/events/user" + std::to_string(i)));
  for (const auto stream : streams) {
    CHECK(client.read_head(stream).field("content-type") == "text/event-stream");
    CHECK(client.read_data_until(stream, "\n\n") == event("hello"));
  }
  CHECK(with.serving.server().stats().open_connections.http2 == 1);
  CHECK(with.serving.server().stats().streams == 100);
  with.emitter.broadcast(Event("all"));
  for (const auto stream : streams) CHECK(client.read_data_until(stream, "\n\n") == event("all"));
  with.emitter.send("user7", Event("seven"));
  CHECK(client.read_data_until(streams[7], "\n\n") == event("seven"));
  SECTION("a client that resets one has left it alone") {
    client.reset(streams[3]);
    CHECK(with.left.wait_for(1) == Texts{"left"});
    CHECK(with.emitter.stream_count() == 99);
  }
  SECTION("one that is ended says so on its own") {
    with.emitter.remove("user5");
    CHECK(client.read_body(streams[5]).empty());
    with.emitter.send("user6", Event("six"));
    CHECK(client.read_data_until(streams[6], "\n\n") == event("six"));
  }
  SECTION("a client that goes has left them all") {
    connected.reset();
    CHECK(with.left.wait_for(100).size() == 100);
    CHECK(with.emitter.stream_count() == 0);
  }
}

TEST_CASE("a stream that its client does not read is ended alone", "[loopback][http2]") {
  ServerOptions options = with_http2();
  options.stream.max_queued_bytes = 100'000;
  Http2Serving with(std::move(options));
  Http2Client client(with.serving.port());
  const auto slow = client.get("/events/slow"), quick = client.get("/events/quick");
  client.read_data_until(slow, "\n\n");
  client.read_data_until(quick, "\n\n");
  client.open_window(0, 10'000'000);
  const std::string large(20'000, 'x');
  // The window of the one takes some 64 KiB, and its queue 100,000 bytes more.
  for (int i = 0; i < 20; ++i) {
    with.emitter.send("slow", Event(large));
    with.emitter.send("quick", Event("quick"));
    CHECK(client.read_data_until(quick, "\n\n") == event("quick"));
  }
  client.expect_reset(slow, NGHTTP2_CANCEL);
  CHECK(with.left.wait_for(1) == Texts{"left"});
  with.emitter.send("quick", Event("still there"));
  CHECK(client.read_data_until(quick, "\n\n") == event("still there"));
}

TEST_CASE("an event that is awaited completes when the client gives room", "[loopback][http2]") {
  Http2Serving with;
  Http2Client client(with.serving.port());
  const auto stream = client.get("/events/ann");
  client.read_data_until(stream, "\n\n");
  Journal journal;
  const std::string large(100'000, 'x');
  with.emitter.send("ann", Event(large));
  with.emitter.async_caught_up(with.opened.get(), [&](std::error_code error) { journal.add(error.message()); });
  with.serving.loop.settle();
  CHECK(journal.size() == 0);
  client.keep_windows_open();
  client.open_window(0, 65'535);
  client.open_window(stream, 65'535);
  CHECK(client.read_data_until(stream, "\n\n") == event(large));
  CHECK(journal.wait_for(1) == Texts{"Success"});
}

TEST_CASE("an answer is given later, or in pieces, on its own stream", "[loopback][http2]") {
  Http2Serving with;
  Http2Client client(with.serving.port());
  const auto later = client.get("/later"), pieces = client.get("/pieces");
  const PendingResponse pending = with.pending.get();
  StreamedResponse streamed = with.pieces.get();
  streamed.begin(Response::text(200, "one "));
  CHECK(client.read_data_until(pieces, "one ") == "one ");
  pending.respond(Response::text(200, "at last"));
  CHECK(client.read_body(later) == "at last");
  streamed.async_write("two", [](std::error_code) {});
  streamed.finish();
  CHECK(client.read_body(pieces) == "two");
}

TEST_CASE("one who would have answered is told when the client resets its stream", "[loopback][http2]") {
  Http2Serving with;
  Http2Client client(with.serving.port());
  const auto stream = client.get("/later");
  Journal journal;
  const PendingResponse pending = with.pending.get();
  pending.on_error([&](std::error_code error) { journal.add(error ? "lost" : "nothing"); });
  client.reset(stream);
  CHECK(journal.wait_for(1) == Texts{"lost"});
}

TEST_CASE("a stream too many is refused, and the connection lives on", "[loopback][http2]") {
  Http2Serving with(with_http2(2));
  Http2Client client(with.serving.port());
  CHECK(client.setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 2u);
  const auto first = client.get("/events/a"), second = client.get("/events/b"), third = client.get("/events/c");
  client.expect_reset(third, NGHTTP2_REFUSED_STREAM);
  client.reset(first);
  CHECK(with.left.wait_for(1) == Texts{"left"});
  const auto fourth = client.get("/events/d");
  CHECK(client.read_data_until(fourth, "\n\n") == event("hello"));
  CHECK(client.read_data_until(second, "\n\n") == event("hello"));
}

TEST_CASE("a server that drains says goodbye on every stream, and then to the connection", "[loopback][http2]") {
  ServerOptions options = with_http2();
  options.stream.farewell = [](EndReason) { return Event("goodbye"); };
  Http2Serving with(std::move(options));
  auto connected = std::make_unique<Http2Client>(with.serving.port());
  Http2Client& client = *connected;
  const auto one = client.get("/events/one"), two = client.get("/events/two");
  client.read_data_until(one, "\n\n");
  client.read_data_until(two, "\n\n");
  Awaited<std::size_t> cut;
  with.serving.server().shutdown(5s, [&](std::size_t count) { cut.set(std::move(count)); });
  client.expect_goaway(NGHTTP2_NO_ERROR);
  CHECK(client.read_body(one).find("goodbye") != std::string::npos);
  CHECK(client.read_body(two).find("goodbye") != std::string::npos);
  CHECK(client.expect_closed() == End::closed);
  connected.reset();
  CHECK(cut.get() == 0);
}

TEST_CASE("what is left at the deadline of a drain is cut, each stream counted", "[loopback][http2]") {
  Http2Serving with;
  Http2Client client(with.serving.port(), {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0}});
  for (const char* path : {"/events/one", "/events/two", "/events/three"}) client.read_head(client.get(path));
  Awaited<std::size_t> cut;
  with.serving.server().shutdown(100ms, [&](std::size_t count) { cut.set(std::move(count)); });
  CHECK(cut.get() == 3);
}

TEST_CASE("clients that are idle for too long are told to go", "[loopback][http2]") {
  ServerOptions options = with_http2();
  SECTION("one that never asks anything") {
    options.request_timeout = 50ms;
  }
  SECTION("one that has asked enough") {
    options.idle_timeout = 50ms;
  }
  const bool asks = options.idle_timeout == 50ms;
  Http2Serving with(std::move(options));
  Http2Client client(with.serving.port());
  if (asks) client.read_body(client.get("/"));
  client.expect_goaway(NGHTTP2_NO_ERROR);
  CHECK(client.expect_closed() == End::closed);
}
