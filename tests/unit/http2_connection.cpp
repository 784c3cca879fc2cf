// One connection that speaks HTTP/2: on a loop that turns when the test says so, by a clock that stands, to a client in
// memory that says exactly what the test wants.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>
#include <asio/error.hpp>

#include <spate/detail/access.hpp>
#include <spate/error.hpp>
#include <spate/stream/detail/stream_source.hpp>
#include <spate/wire/event.hpp>

#include "support/catch.hpp"
#include "support/exceptions.hpp"
#include "support/held_http2.hpp"
#include "support/texts.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;
using namespace std::chrono_literals;
using namespace std::string_literals;
using Catch::Matchers::ContainsSubstring;
using Fields = HeldHttp2Client::Fields;
using H2 = HeldHttp2Client;
using Stream = HeldHttp2Client::Stream;
using Ways = HeldHttp2::Ways;

namespace {

/// Room for any answer here, on a stream and on the connection.
constexpr std::uint32_t wide = 1 << 30;

/// What the client heard of a stream, in one line: "200 hello", with what came before and after.
std::string heard(HeldHttp2& one, Stream stream) {
  const H2::Answer& answer = one.client.at(stream);
  std::string line;
  for (const int status : answer.interim) line += std::to_string(status) + " ";
  line += std::to_string(answer.status) + " " + answer.body;
  if (!answer.ended) line += " ...";
  if (answer.reset) line += " reset " + std::to_string(*answer.reset);
  return line;
}

bool lives(HeldHttp2& one) {
  return !one.client.goodbye && !one.peer().saw_end() && !one.peer().is_gone();
}

std::string errored(std::error_code error) {
  return "error: " + error.message();
}

const std::string no_error = " reset " + std::to_string(NGHTTP2_NO_ERROR);
const std::string cancelled = " reset " + std::to_string(NGHTTP2_CANCEL);

}  // namespace

// ---- requests and answers ----

TEST_CASE("requests are answered on their streams, and the connection goes on", "[http2][connection]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/hello") + H2::get(3, "/nowhere") + H2::get(5, "/hello"));
  CHECK(heard(one, 1) == "200 hello");
  CHECK(one.client.at(1).fields["content-length"] == "5");
  CHECK(one.client.at(1).fields.contains("date"));
  CHECK_FALSE(one.client.at(1).fields.contains("connection"));
  CHECK(one.client.at(3).status == 404);
  CHECK(heard(one, 5) == "200 hello");
  one.say(H2::get(7, "/hello"));
  CHECK(heard(one, 7) == "200 hello");
  CHECK(lives(one));
  CHECK(one.server().requests == 4);
}

TEST_CASE("the server says what it takes, and acknowledges what the client takes", "[http2][connection]") {
  ServerOptions options;
  options.limits.max_header_bytes = 5000;
  options.limits.max_body_bytes = 100'000;
  HeldHttp2 one(options, Ways{.max_streams = 7});
  CHECK(one.client.told == std::map<std::uint32_t, std::uint32_t>{{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 7},
                                                                  {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 5000},
                                                                  {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1}});
  // Four bodies of the largest size, and something besides.
  CHECK(65535 + one.client.room[0] == 4 * 100'000 + 64 * 1024);
  CHECK(one.client.settings_taken == 1);
  one.say(H2::ping());
  CHECK(one.client.pings == 1);
  CHECK(one.server().http2_connections == 1);
  CHECK(one.server().encrypted_http2_connections == 0);
}

TEST_CASE("however what a client says is cut, it is answered alike", "[http2][connection][split]") {
  const std::string said = H2::hello() + H2::get(1, "/cookie", {{"cookie", "a=1"}, {"cookie", "b=2"}}) +
                           H2::post(3, "/echo") + H2::data(3, "ab") + H2::ping() + H2::data(3, "c", true) +
                           H2::get(5, "/nowhere");
  const auto outcome = [](HeldHttp2& one) {
    return heard(one, 1) + "\n" + heard(one, 3) + "\n" + heard(one, 5) + "\n" + std::to_string(one.client.pings);
  };
  HeldHttp2 uncut({}, Ways{.first = said});
  const std::string expected = outcome(uncut);
  CHECK_THAT(expected, ContainsSubstring("200 a=1; b=2\n200 abc\n404 "));
  for (std::size_t at = 1; at < said.size(); ++at) {
    CAPTURE(at);
    HeldHttp2 cut({}, Ways{.first = said.substr(0, at)});
    cut.say(said.substr(at));
    CHECK(outcome(cut) == expected);
  }
  HeldHttp2 bytewise({}, Ways{.first = said.substr(0, 1)});
  for (const char byte : said.substr(1)) bytewise.say(std::string_view(&byte, 1));
  CHECK(outcome(bytewise) == expected);
}

TEST_CASE("however little is taken at a time, frames are the same", "[http2][connection][split]") {
  for (const std::size_t most : {std::size_t{1}, std::size_t{1000}, std::size_t{50'000}}) {
    CAPTURE(most);
    HeldHttp2 one({}, Ways{.window = wide});
    one.say(H2::more_room(0, wide));
    one.peer().limit_room(most);
    one.say(H2::get(1, most == 1 ? "/hello" : "/large"));
    CHECK(one.client.at(1).ended);
    CHECK(one.client.at(1).body == (most == 1 ? "hello" : std::string(300'000, 'x')));
  }
}

TEST_CASE("HEAD is answered by the head that GET would have", "[http2][connection]") {
  HeldHttp2 one;
  one.say(H2::head(1, H2::request("HEAD", "/hello")) + H2::head(3, H2::request("HEAD", "/events")) +
          H2::head(5, H2::request("HEAD", "/nowhere")) + H2::head(7, H2::request("HEAD", "/pieces")));
  CHECK(heard(one, 1) == "200 ");
  CHECK(one.client.at(1).fields["content-length"] == "5");
  CHECK(heard(one, 3) == "200 ");
  CHECK(one.client.at(3).fields["content-type"] == "text/event-stream");
  CHECK(one.streams.empty());
  CHECK(heard(one, 5) == "404 ");
  REQUIRE(one.pieces);
  one.pieces->begin(Response::text(200, "begun"));
  one.turn();
  CHECK(heard(one, 7) == "200 ");
  CHECK_FALSE(one.pieces->is_open());
  CHECK(lives(one));
}

TEST_CASE("a body comes in pieces, between those of others, with or without a length", "[http2][connection][body]") {
  HeldHttp2 one;
  one.say(H2::post(1, "/echo", {{"content-length", "6"}}) + H2::post(3, "/echo"));
  one.say(H2::data(3, "x") + H2::data(1, "abc") + H2::data(3, "y"));
  CHECK(heard(one, 1) == "0  ...");
  one.say(H2::data(1, "def", true));
  CHECK(heard(one, 1) == "200 abcdef");
  one.say(H2::data(3, "", true));
  CHECK(heard(one, 3) == "200 xy");
  SECTION("or ends with trailers, which nobody keeps") {
    one.say(H2::post(5, "/echo") + H2::data(5, "z") + H2::head(5, {{"checksum", "1"}}));
    CHECK(heard(one, 5) == "200 z");
  }
  SECTION("one that is not as long as was said is a fault of its stream") {
    one.say(H2::post(5, "/echo", {{"content-length", "2"}}) + H2::data(5, "z", true));
    CHECK(one.client.at(5).reset == NGHTTP2_PROTOCOL_ERROR);
    CHECK(lives(one));
  }
}

TEST_CASE("a request beyond a limit is refused, and the connection goes on", "[http2][connection][limits]") {
  ServerOptions options;
  options.limits.max_target_bytes = 20;
  options.limits.max_header_bytes = 200;
  options.limits.max_body_bytes = 4;
  HeldHttp2 one(options);
  one.say(H2::get(1, "/" + std::string(19, 'a')) + H2::get(3, "/" + std::string(20, 'a')));
  CHECK(one.client.at(1).status == 404);
  CHECK(one.client.at(3).status == 414);
  one.say(H2::get(5, "/hello", {{"x", std::string(200, 'a')}}));
  CHECK(one.client.at(5).status == 431);
  CHECK(one.client.at(5).ended);
  SECTION("a body, as soon as it is seen to be too large") {
    one.say(H2::post(7, "/echo") + H2::data(7, "1234", true));
    CHECK(heard(one, 7) == "200 1234");
    one.say(H2::post(9, "/echo") + H2::data(9, "1234"));
    CHECK(one.client.at(9).status == 0);
    one.say(H2::data(9, "5"));
    CHECK(one.client.at(9).status == 413);
    CHECK(one.client.at(9).ended);
    // The rest need not come.
    CHECK(one.client.at(9).reset == NGHTTP2_NO_ERROR);
    one.say(H2::data(9, "678", true));
    one.say(H2::post(11, "/echo", {{"content-length", "5"}}));
    CHECK(one.client.at(11).status == 413);
    CHECK(one.client.at(11).reset == NGHTTP2_NO_ERROR);
  }
  one.say(H2::head(23, H2::request("HEAD", "/" + std::string(20, 'a'))));
  CHECK(heard(one, 23) == "414 ");
  one.say(H2::get(25, "/hello"));
  CHECK(heard(one, 25) == "200 hello");
  CHECK(lives(one));
}

TEST_CASE("a request that takes too long is answered with 408, and others go on", "[http2][connection][timeout]") {
  ServerOptions options;
  options.request_timeout = 10s;
  HeldHttp2 one(options);
  one.say(H2::post(1, "/echo") + H2::data(1, "a"));
  one.let_pass(5s);
  one.say(H2::post(3, "/echo"));
  one.let_pass(5s - 1ms);
  CHECK(one.client.at(1).status == 0);
  one.let_pass(1ms);
  CHECK(one.client.at(1).status == 408);
  CHECK(one.client.at(1).ended);
  CHECK(one.client.at(1).reset == NGHTTP2_NO_ERROR);
  // Each from its own beginning.
  CHECK(one.client.at(3).status == 0);
  one.say(H2::data(3, "b", true));
  CHECK(heard(one, 3) == "200 b");
  CHECK(lives(one));
  SECTION("but where a head does not end, nothing can be answered") {
    one.say(H2::frame(NGHTTP2_HEADERS, H2::end_stream, 5, H2::block(H2::request("GET", "/hello"))));
    one.let_pass(10s);
    CHECK(one.has_left(NGHTTP2_ENHANCE_YOUR_CALM));
  }
}

TEST_CASE("a Host that is not the authority is refused", "[http2][connection]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/hello", {{"host", "localhost"}}) + H2::get(3, "/hello", {{"host", "example.org"}}) +
          H2::head(5, {{":method", "GET"}, {":scheme", "http"}, {":path", "/hello"}, {"host", "localhost"}}) +
          H2::head(7, {{":method", "GET"}, {":scheme", "http"}, {":path", "/hello"}, {":authority", "example.org"}}));
  CHECK(heard(one, 1) == "200 hello");
  CHECK(one.client.at(3).status == 400);
  CHECK(heard(one, 5) == "200 hello");
  // Not a host of this server.
  CHECK(one.client.at(7).status == 403);
}

TEST_CASE("what breaks the rules of a head resets its stream, and is no request", "[http2][connection]") {
  HeldHttp2 one;
  const std::vector<Fields> broken{
      H2::request("GET", "/hello", {{"Upper", "x"}}),
      H2::request("GET", "/hello", {{"x", "a\nb"}}),
      H2::request("GET", "/hello", {{"x", "a\0b"s}}),
      H2::request("GET", "/hello", {{"connection", "close"}}),
      H2::request("GET", "/hello", {{"transfer-encoding", "chunked"}}),
      H2::request("GET", "/hello", {{"te", "gzip"}}),
      H2::request("GET", "/hello", {{":path", "/late"}}),
      H2::request("GET", "/hello", {{"x", "y"}, {":unknown", "z"}}),
      {{":method", "GET"}, {":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "localhost"}},
      {{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}},
      {{":scheme", "http"}, {":path", "/"}, {":authority", "localhost"}},
  };
  Stream stream = 1;
  for (const Fields& fields : broken) {
    CAPTURE(stream);
    one.say(H2::head(stream, fields));
    CHECK(one.client.at(stream).reset == NGHTTP2_PROTOCOL_ERROR);
    CHECK(one.client.at(stream).status == 0);
    stream += 2;
  }
  CHECK(one.server().requests == 0);
  one.say(H2::get(stream, "/hello"));
  CHECK(heard(one, stream) == "200 hello");
  CHECK(lives(one));
}

TEST_CASE("a handler that fails is answered with 500, and its exception is told", "[http2][connection][failure]") {
  ServerOptions options;
  Texts told;
  options.on_exception = [&](const std::exception_ptr& exception) { told.push_back(text_of(exception)); };
  HeldHttp2 one(options);
  one.say(H2::get(1, "/fails") + H2::get(3, "/hello"));
  CHECK(one.client.at(1).status == 500);
  CHECK(heard(one, 3) == "200 hello");
  CHECK(told == Texts{"no"});
}

TEST_CASE("an answer may have a head of any size", "[http2][connection]") {
  HeldHttp2 one;
  one.say(H2::more_room(0, wide) + H2::get(1, "/later"));
  one.pending->respond(
      Response::text(200, "large").header("X", std::string(50'000, 'x')).header("Y", std::string(50'000, 'y')));
  one.turn();
  CHECK(heard(one, 1) == "200 large");
  CHECK(one.client.at(1).fields["x"].size() == 50'000);
  CHECK(one.client.at(1).fields["y"].size() == 50'000);
}

// ---- who waits before the body ----

TEST_CASE("a client that waits for a word is invited, or refused at once", "[http2][connection][expect]") {
  HeldHttp2 one;
  const Fields expects{{"expect", "100-continue"}};
  SECTION("invited") {
    one.say(H2::post(1, "/echo", expects));
    CHECK(heard(one, 1) == "100  ...");
    one.say(H2::data(1, "abc", true));
    CHECK(heard(one, 1) == "100 200 abc");
  }
  SECTION("not if it did not wait") {
    one.say(H2::post(1, "/echo", expects) + H2::data(1, "abc", true));
    CHECK(heard(one, 1) == "200 abc");
    one.say(H2::head(3, H2::request("POST", "/echo", expects)));
    CHECK(heard(one, 3) == "200 ");
  }
  SECTION("refused") {
    one.say(H2::post(1, "/refused", expects));
    CHECK(one.client.at(1).status == 401);
    CHECK(one.client.at(1).interim.empty());
    CHECK(one.client.at(1).ended);
    CHECK(one.client.at(1).reset == NGHTTP2_NO_ERROR);
    // The body comes all the same.
    one.say(H2::data(1, "abc", true) + H2::get(3, "/hello"));
    CHECK(heard(one, 3) == "200 hello");
  }
  SECTION("there is no such place") {
    one.say(H2::post(1, "/nowhere", expects));
    CHECK(one.client.at(1).status == 404);
    CHECK(one.client.at(1).reset == NGHTTP2_NO_ERROR);
  }
  CHECK(lives(one));
}

TEST_CASE("a coroutine decides whether the body is invited", "[http2][connection][expect]") {
  ServerOptions options;
  options.request_timeout = 10s;
  HeldHttp2 one(options);
  one.say(H2::post(1, "/asked", {{"expect", "100-continue"}}));
  REQUIRE(one.was_asked());
  // As long as it likes.
  one.let_pass(60s);
  CHECK(heard(one, 1) == "0  ...");
  SECTION("it is") {
    one.decide(std::nullopt);
    CHECK(heard(one, 1) == "100  ...");
    one.say(H2::data(1, "abc", true));
    CHECK(heard(one, 1) == "100 200 abc");
  }
  SECTION("it is, but does not come") {
    one.decide(std::nullopt);
    one.let_pass(10s);
    CHECK(one.client.at(1).status == 408);
  }
  SECTION("it is not") {
    one.decide(Response::text(403, "no"));
    CHECK(heard(one, 1) == "403 no" + no_error);
  }
  SECTION("it came meanwhile") {
    one.say(H2::data(1, "abc", true));
    CHECK(heard(one, 1) == "0  ...");
    one.decide(std::nullopt);
    CHECK(heard(one, 1) == "200 abc");
  }
  SECTION("the client has left meanwhile") {
    one.say(H2::reset(1));
    CHECK(one.notes == Texts{"cancelled"});
    one.decide(std::nullopt);
    CHECK(one.client.at(1).status == 0);
  }
  one.say(H2::get(3, "/hello"));
  CHECK(heard(one, 3) == "200 hello");
  CHECK(lives(one));
}

TEST_CASE("bodies that nobody takes cost a client no room for others", "[http2][connection][body]") {
  ServerOptions options;
  options.limits.max_body_bytes = 1000;
  HeldHttp2 one(options);
  const std::string kilobyte(1000, 'x');
  std::function<std::string(Stream)> send;
  SECTION("refused by the head, which was not waited for") {
    send = [&](Stream stream) {
      return H2::post(stream, "/refused", {{"expect", "100-continue"}}) + H2::data(stream, kilobyte);
    };
  }
  SECTION("too large") {
    send = [&](Stream stream) {
      return H2::post(stream, "/echo") + H2::data(stream, kilobyte) + H2::data(stream, "x");
    };
  }
  SECTION("taken back") {
    send = [&](Stream stream) {
      return H2::post(stream, "/echo") + H2::data(stream, kilobyte) + H2::get(stream + 2, "/hello") + H2::reset(stream);
    };
  }
  SECTION("taken") {
    send = [&](Stream stream) { return H2::post(stream, "/echo") + H2::data(stream, kilobyte, true); };
  }
  for (int i = 0; i < 200; ++i) {
    one.say(send(1 + 4 * i));
    one.let_pass(100ms);  // no flood
  }
  CHECK(lives(one));
  CHECK(65535 + one.client.room[0] > 200'000);
}

TEST_CASE("a body that comes behind its answer costs no room for others", "[http2][connection][body]") {
  ServerOptions options;
  options.limits.max_body_bytes = 1000;
  HeldHttp2 wide_one(options);
  wide_one.say(H2::post(1, "/nowhere", {{"expect", "100-continue"}}));
  const std::size_t size = wide_one.client.at(1).body.size();
  // All of the answer but its last byte, so that the stream is open.
  HeldHttp2 one(options, Ways{.window = static_cast<std::uint32_t>(size - 1)});
  one.say(H2::post(1, "/nowhere", {{"expect", "100-continue"}}));
  CHECK(one.client.at(1).body.size() == size - 1);
  for (int i = 0; i < 200; ++i) one.say(H2::data(1, std::string(1000, 'x')));
  CHECK(lives(one));
  CHECK(65535 + one.client.room[0] > 200'000);
}

TEST_CASE("where bodies wait for each other the youngest is refused, and the others come whole",
          "[http2][connection][body][limits]") {
  ServerOptions options;
  options.limits.max_body_bytes = 1000;
  HeldHttp2 one(options);
  one.say(H2::more_room(0, wide));
  // All that the client may have on its way, in bodies none of which is whole.
  const std::size_t window = 65535 + one.client.room[0];
  const Stream last = 1 + 2 * static_cast<Stream>(window / 1000);
  for (Stream stream = 1; stream < last; stream += 2) {
    one.say(H2::post(stream, "/echo") + H2::data(stream, std::string(1000, 'x')));
  }
  one.say(H2::post(last, "/echo") + H2::get(last + 2, "/later"));
  CHECK(one.client.at(last).status == 0);
  one.say(H2::data(last, std::string(window % 1000, 'x')));
  CHECK(one.client.at(last).status == 503);
  CHECK_THAT(one.client.at(last).body, ContainsSubstring("too many bodies"));
  CHECK(one.client.at(last).ended);
  for (Stream stream = 1; stream < last; stream += 2) {
    CHECK(one.client.at(stream).status == 0);
    one.say(H2::data(stream, "", true));
    CHECK(heard(one, stream) == "200 " + std::string(1000, 'x'));
  }
  one.pending->respond(Response::text(200, "late"));
  one.turn();
  CHECK(heard(one, last + 2) == "200 late");
  CHECK(65535 + one.client.room[0] > window);
  CHECK(lives(one));
}

// ---- answers that come later, or in pieces ----

TEST_CASE("an answer may come later, and keeps no other waiting", "[http2][connection][pending]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/later") + H2::get(3, "/hello"));
  CHECK(heard(one, 3) == "200 hello");
  REQUIRE(one.pending);
  SECTION("it comes") {
    CHECK(one.pending->respond(Response::text(200, "at last")));
    one.turn();
    CHECK(heard(one, 1) == "200 at last");
    CHECK(one.notes.empty());
  }
  SECTION("its client has taken the request back") {
    one.say(H2::reset(1));
    CHECK(one.notes == Texts{errored(std::make_error_code(std::errc::connection_reset))});
    CHECK_FALSE(one.pending->respond(Response::text(200, "too late")));
    one.turn();
    CHECK(one.client.at(1).status == 0);
  }
  SECTION("nobody gives it") {
    one.pending.reset();
    one.turn();
    CHECK(one.client.at(1).status == 500);
  }
  CHECK(lives(one));
}

TEST_CASE("whoever writes pieces goes at the pace of the client", "[http2][connection][pieces]") {
  HeldHttp2 one({}, Ways{.window = 10});
  one.say(H2::get(1, "/pieces") + H2::get(3, "/hello") + H2::get(5, "/events"));
  REQUIRE(one.pieces);
  const auto write = [&](const std::string& piece) {
    one.pieces->async_write(piece, [&one, piece](std::error_code error) {
      one.notes.push_back(piece + (error ? ": " + error.message() : ""));
    });
    one.turn();
  };
  CHECK(one.pieces->begin(Response(201).header("X", "y")));
  one.turn();
  CHECK(heard(one, 1) == "201  ...");
  write("1234");
  CHECK(heard(one, 1) == "201 1234 ...");
  CHECK(one.notes == Texts{"1234"});
  write("5678abcd");
  write("efgh");
  CHECK(heard(one, 1) == "201 12345678ab ...");
  CHECK(one.notes == Texts{"1234"});
  SECTION("it gives room") {
    one.say(H2::more_room(1, 3));
    CHECK(heard(one, 1) == "201 12345678abcde ...");
    one.say(H2::more_room(1, 100));
    CHECK(heard(one, 1) == "201 12345678abcdefgh ...");
    CHECK(one.notes == Texts{"1234", "5678abcd", "efgh"});
    one.pieces->finish();
    one.turn();
    CHECK(heard(one, 1) == "201 12345678abcdefgh");
  }
  SECTION("the end waits for what was written before it") {
    one.pieces->finish();
    one.turn();
    CHECK_FALSE(one.client.at(1).ended);
    one.say(H2::more_room(1, 100));
    CHECK(heard(one, 1) == "201 12345678abcdefgh");
    CHECK(one.notes == Texts{"1234", "5678abcd", "efgh"});
  }
  SECTION("it leaves") {
    one.say(H2::reset(1));
    CHECK_THAT(one.notes, Catch::Matchers::VectorContains("efgh: " + make_error_code(Errc::stream_closed).message()));
    CHECK_FALSE(one.pieces->is_open());
  }
  SECTION("the answer is given up, which is seen") {
    one.pieces->abort();
    one.turn();
    CHECK_FALSE(one.client.at(1).ended);
    CHECK(one.client.at(1).reset == NGHTTP2_CANCEL);
    CHECK(one.notes.size() == 4);  // the writers', and the handler's own
  }
  SECTION("it takes nothing for too long") {
    one.let_pass(20s);
    CHECK(one.client.at(1).reset == NGHTTP2_CANCEL);
    CHECK(one.notes.size() == 4);
  }
  CHECK(heard(one, 3) == "200 hello");
  CHECK(lives(one));
}

// ---- streams of events ----

TEST_CASE("what many streams of one connection have to say leaves in one write", "[http2][connection][stream]") {
  HeldHttp2 one;
  constexpr int count = 50;
  for (int i = 0; i < count; ++i) one.say(H2::get(1 + 2 * i, "/events"));
  REQUIRE(one.streams.size() == count);
  const std::size_t before = one.peer().writes();
  for (const EventStream& stream : one.streams) stream.send(Event("x"));
  one.turn();
  CHECK(one.peer().writes() == before + 1);
  for (int i = 0; i < count; ++i) CHECK(heard(one, 1 + 2 * i) == "200 data: x\n\n ...");
  CHECK(one.client.at(1).fields["content-type"] == "text/event-stream");
  CHECK(one.client.at(1).fields["cache-control"].find("no-") != std::string::npos);
}

TEST_CASE("a stream ends with END_STREAM, behind all that was sent", "[http2][connection][stream]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/events") + H2::get(3, "/events"));
  one.streams[0].send(Event("x"));
  one.streams[0].complete();
  one.turn();
  CHECK(heard(one, 1) == "200 data: x\n\n");
  CHECK(one.notes == Texts{"complete 0"});
  one.streams[1].send(Event("y"));
  one.turn();
  CHECK(heard(one, 3) == "200 data: y\n\n ...");
  CHECK(lives(one));
}

TEST_CASE("a client leaves one stream by RST_STREAM, and keeps the others", "[http2][connection][stream]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/events") + H2::get(3, "/events"));
  one.say(H2::reset(1));
  CHECK(one.notes == Texts{"complete 0"});
  CHECK(one.streams[0].send(Event("x")) == SendResult::closed);
  one.streams[1].send(Event("y"));
  one.turn();
  CHECK(heard(one, 3) == "200 data: y\n\n ...");
  // There is room for another.
  one.say(H2::get(5, "/events"));
  one.streams[2].send(Event("z"));
  one.turn();
  CHECK(heard(one, 5) == "200 data: z\n\n ...");
}

TEST_CASE("a stream that the client gives no room delays no other, and goes on when there is some",
          "[http2][connection][stream][window]") {
  HeldHttp2 one({}, Ways{.window = 4});
  one.say(H2::get(1, "/events") + H2::get(3, "/events"));
  one.say(H2::more_room(3, 1000));
  one.streams[0].send(Event("one"));
  one.streams[1].send(Event("two"));
  one.turn();
  CHECK(heard(one, 1) == "200 data ...");
  CHECK(heard(one, 3) == "200 data: two\n\n ...");
  one.streams[0].send(Event("three"));
  one.streams[1].send(Event("four"));
  one.turn();
  CHECK(heard(one, 1) == "200 data ...");
  CHECK(heard(one, 3) == "200 data: two\n\ndata: four\n\n ...");
  one.say(H2::more_room(1, 3));
  CHECK(heard(one, 1) == "200 data: o ...");
  one.say(H2::more_room(1, 1000));
  CHECK(heard(one, 1) == "200 data: one\n\ndata: three\n\n ...");
  one.streams[0].complete();
  one.turn();
  CHECK(one.client.at(1).ended);
}

TEST_CASE("where the connection has no room, those who wait have it by their priority", "[http2][connection][window]") {
  HeldHttp2 one({}, Ways{.window = wide});
  one.say(H2::get(1, "/large"));
  CHECK(one.client.at(1).body.size() == 65535);
  one.say(H2::reset(1) + H2::get(3, "/events", {{"priority", "u=6"}}) + H2::get(5, "/events", {{"priority", "u=1"}}));
  one.streams[0].send(Event("later"));
  one.streams[1].send(Event("first"));
  one.turn();
  CHECK(heard(one, 3) == "200  ...");
  CHECK(heard(one, 5) == "200  ...");
  one.say(H2::more_room(0, 13));
  CHECK(heard(one, 3) == "200  ...");
  CHECK(heard(one, 5) == "200 data: first\n\n ...");
  one.say(H2::more_room(0, 1000));
  CHECK(heard(one, 3) == "200 data: later\n\n ...");
}

TEST_CASE("a stream whose queue is full is reset, and the connection lives", "[http2][connection][stream]") {
  ServerOptions options;
  options.stream.max_queued_bytes = 100;
  HeldHttp2 one(options, Ways{.window = 0});
  one.say(H2::get(1, "/events") + H2::get(3, "/events") + H2::more_room(3, wide));
  for (int i = 0; i < 20; ++i) {
    for (const EventStream& stream : one.streams) stream.send(Event("0123456789"));
    one.turn();
  }
  CHECK(heard(one, 1) == "200  ..." + cancelled);
  CHECK(one.client.at(3).body.size() == 20 * std::string_view("data: 0123456789\n\n").size());
  CHECK(one.notes == Texts{"error 0: " + make_error_code(Errc::queue_overflow).message(), "complete 0"});
  CHECK(lives(one));
}

TEST_CASE("each stream has heartbeats of its own", "[http2][connection][stream]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/events"));
  one.let_pass(8s);
  one.say(H2::get(3, "/events"));
  one.let_pass(8s);
  CHECK(heard(one, 1) == "200 :\n\n ...");
  CHECK(heard(one, 3) == "200  ...");
  one.let_pass(8s);
  CHECK(heard(one, 3) == "200 :\n\n ...");
}

// ---- a client that does not read ----

TEST_CASE("a server that cannot write reads nothing more", "[http2][connection][output]") {
  HeldHttp2 one({}, Ways{.window = wide});
  one.say(H2::more_room(0, wide));
  one.reads = false;
  one.peer().limit_room(1000);
  one.say(H2::get(1, "/large") + H2::get(3, "/large"));
  CHECK(one.peer().waiting().size() == 1000);
  // These cost answers that nobody takes.
  for (Stream stream = 5; stream < 25; stream += 2) one.say(H2::get(stream, "/hello") + H2::ping());
  CHECK(one.server().requests < 5);
  one.reads = true;
  one.peer().limit_room(MemoryTransport::unlimited);
  one.turn();
  CHECK(one.client.at(1).body.size() == 300'000);
  CHECK(one.client.at(3).body.size() == 300'000);
  for (Stream stream = 5; stream < 25; stream += 2) CHECK(heard(one, stream) == "200 hello");
  CHECK(one.client.pings == 10);
}

TEST_CASE("what a connection cannot write stays in the queues of its streams", "[http2][connection][output]") {
  ServerOptions options;
  options.stream.max_queued_bytes = 10'000'000;
  HeldHttp2 one(options, Ways{.window = wide});
  one.say(H2::more_room(0, wide) + H2::get(1, "/events") + H2::get(3, "/events"));
  one.reads = false;
  one.peer().limit_room(1000);
  for (const EventStream& stream : one.streams) stream.send(Event(std::string(500'000, 'x')));
  one.turn();
  // Some 64 KiB are made frames, and no more.
  CHECK(one.streams[0].queued_bytes() + one.streams[1].queued_bytes() > 900'000);
  one.reads = true;
  one.peer().limit_room(MemoryTransport::unlimited);
  one.turn();
  CHECK(one.client.at(1).body.size() == 500'008);
  CHECK(one.client.at(3).body.size() == 500'008);
}

TEST_CASE("a connection whose client takes nothing is given up, with all its streams", "[http2][connection][timeout]") {
  ServerOptions options;
  options.stream.write_timeout = 20s;
  HeldHttp2 one(options);
  one.say(H2::get(1, "/events") + H2::get(3, "/later"));
  one.reads = false;
  one.peer().limit_room(1);
  one.streams[0].send(Event("x"));
  one.turn();
  one.let_pass(20s - 1ms);
  CHECK_FALSE(one.peer().is_gone());
  one.let_pass(1ms);
  CHECK(one.peer().is_gone());
  CHECK(one.notes.size() == 3);
  CHECK_THAT(one.notes, Catch::Matchers::VectorContains("timeout 0"s));
}

TEST_CASE("one stream that is given no room for too long is reset, and the connection lives",
          "[http2][connection][timeout][window]") {
  ServerOptions options;
  options.stream.write_timeout = 20s;
  options.stream.heartbeat = 0s;
  HeldHttp2 one(options, Ways{.window = 0});
  for (Stream stream = 1; stream < 9; stream += 2) {
    one.say(H2::get(stream, "/events") + H2::more_room(stream, stream == 1 ? 1 : 1000));
  }
  for (const EventStream& stream : one.streams) stream.send(Event("x"));
  one.turn();
  one.let_pass(20s - 1ms);
  CHECK(heard(one, 1) == "200 d ...");
  one.let_pass(1ms);
  CHECK(heard(one, 1) == "200 d ..." + cancelled);
  CHECK(one.notes == Texts{"timeout 0", "complete 0"});
  CHECK(heard(one, 3) == "200 data: x\n\n ...");
  CHECK(lives(one));
}

TEST_CASE("a client that keeps most of its streams without room loses the connection",
          "[http2][connection][timeout][window]") {
  ServerOptions options;
  options.stream.write_timeout = 20s;
  options.stream.heartbeat = 0s;
  const int starved = GENERATE(1, 2, 3, 4);
  CAPTURE(starved);
  HeldHttp2 one(options, Ways{.window = 0});
  for (int i = 0; i < 4; ++i) {
    one.say(H2::get(1 + 2 * i, "/events") + (i < starved ? "" : H2::more_room(1 + 2 * i, 1000)));
  }
  for (const EventStream& stream : one.streams) stream.send(Event("x"));
  one.turn();
  CHECK(lives(one));
  one.let_pass(20s);
  CHECK(one.has_left(NGHTTP2_ENHANCE_YOUR_CALM) == (starved > 2));
  CHECK(lives(one) == (starved <= 2));
}

TEST_CASE("streams for which the connection has no room starve for no fault of their own",
          "[http2][connection][output]") {
  ServerOptions options;
  options.stream.max_queued_bytes = 100;
  HeldHttp2 one(options, Ways{.window = wide});
  one.say(H2::more_room(0, wide));
  constexpr Stream end = 13;
  for (Stream stream = 1; stream < end; stream += 2) one.say(H2::get(stream, "/events"));
  one.reads = false;
  one.peer().limit_room(1000);
  one.say(H2::get(end, "/large"));
  const auto send = [&](const std::string& data) {
    for (const EventStream& stream : one.streams) stream.send(Event(data));
    one.turn();
  };
  one.streams[0].send(Event(std::string(5000, 'x')));  // all that there is room for
  one.turn();
  send("one");
  one.let_pass(11s);  // and it was looked at who waits
  send(std::string(100, 'x'));
  for (const EventStream& stream : one.streams) CHECK_FALSE(stream.is_open());
  one.reads = true;
  one.peer().limit_room(MemoryTransport::unlimited);
  one.turn();
  CHECK(lives(one));
  for (Stream stream = 1; stream < end; stream += 2) CHECK(one.client.at(stream).reset == NGHTTP2_CANCEL);
  CHECK(one.client.at(end).body.size() == 300'000);
}

TEST_CASE("the end of a stream that its client does not let come is not waited for for ever",
          "[http2][connection][timeout][window]") {
  ServerOptions options;
  options.stream.write_timeout = 20s;
  options.idle_timeout = 30s;
  HeldHttp2 one(options, Ways{.window = 5});
  // All of an answer fits, and its end goes with it. Of one in pieces nobody knows which is the last: its end comes
  // behind them, in a frame for which there is no room.
  one.say(H2::get(1, "/hello"));
  CHECK(heard(one, 1) == "200 hello");
  one.say(H2::get(3, "/events") + H2::get(5, "/pieces") + H2::more_room(3, 1000));
  REQUIRE(one.pieces);
  one.pieces->begin(Response::text(200, "hello"));
  one.turn();
  one.pieces->finish();
  one.turn();
  CHECK(heard(one, 5) == "200 hello ...");
  one.let_pass(20s - 1ms);
  CHECK(heard(one, 5) == "200 hello ...");
  one.let_pass(20s);
  CHECK(heard(one, 5) == "200 hello ..." + cancelled);
  one.say(H2::reset(3));
  one.let_pass(30s);
  CHECK(one.has_left(NGHTTP2_NO_ERROR));
}

// ---- the end of a connection ----

TEST_CASE("a connection without a request closes when its time is over", "[http2][connection][timeout]") {
  ServerOptions options;
  options.request_timeout = 10s;
  options.idle_timeout = 75s;
  HeldHttp2 one(options);
  SECTION("without a first one") {
    one.let_pass(10s - 1ms);
    CHECK(lives(one));
    one.let_pass(1ms);
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
  SECTION("after the last one") {
    one.let_pass(5s);
    one.say(H2::get(1, "/hello"));
    one.let_pass(74s);
    one.say(H2::get(3, "/hello"));
    one.let_pass(75s - 1ms);
    CHECK(lives(one));
    one.let_pass(1ms);
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
  SECTION("not while a stream is open, which is nothing idle") {
    one.say(H2::get(1, "/events"));
    one.let_pass(200s);
    CHECK(lives(one));
    one.say(H2::reset(1));
    one.let_pass(75s - 1ms);
    CHECK(lives(one));
    one.let_pass(1ms);
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
  SECTION("what is no request does not count") {
    one.let_pass(9s);
    one.say(H2::ping() + H2::get(1, "/hello").substr(0, 5));
    one.let_pass(1s);
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
}

TEST_CASE("the time between requests may be shorter than that of one", "[http2][connection][timeout]") {
  ServerOptions options;
  options.request_timeout = 60s;
  options.idle_timeout = 5s;
  HeldHttp2 one(options);
  one.say(H2::get(1, "/hello"));
  one.let_pass(5s - 1ms);
  CHECK(lives(one));
  one.let_pass(1ms);
  CHECK(one.has_left(NGHTTP2_NO_ERROR));
}

TEST_CASE("a connection is idle from when its last bytes were taken", "[http2][connection][timeout]") {
  ServerOptions options;
  options.idle_timeout = 30s;
  options.stream.write_timeout = 0s;  // for ever
  HeldHttp2 one(options);
  one.say(H2::get(1, "/later"));
  one.reads = false;
  one.peer().limit_room(1);
  one.say(H2::get(3, "/hello"));
  one.pending->respond(Response::text(200, "at last"));
  one.let_pass(100s);
  CHECK_FALSE(one.peer().saw_end());
  one.reads = true;
  one.peer().limit_room(MemoryTransport::unlimited);
  one.turn();
  CHECK(heard(one, 1) == "200 at last");
  CHECK(lives(one));
  one.let_pass(30s);
  CHECK(one.has_left(NGHTTP2_NO_ERROR));
}

TEST_CASE("a server that drains says GOAWAY, lets what is going on end, and closes", "[http2][connection][drain]") {
  ServerOptions options;
  options.stream.farewell = [](EndReason) { return Event("bye"); };
  HeldHttp2 one(options);
  SECTION("streams have their farewell") {
    one.say(H2::get(1, "/events") + H2::get(3, "/events"));
    one.drain();
    CHECK_THAT(heard(one, 1), ContainsSubstring("data: bye\n\n") && !ContainsSubstring("..."));
    CHECK_THAT(heard(one, 3), ContainsSubstring("data: bye\n\n") && !ContainsSubstring("..."));
    CHECK(one.client.last_stream == 3);
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
  SECTION("an answer that is still to come") {
    one.say(H2::get(1, "/later"));
    one.drain();
    CHECK(one.client.goodbye == NGHTTP2_NO_ERROR);
    CHECK_FALSE(one.peer().saw_end());
    // What the client asks now is passed over: it was told that only the first is answered.
    one.say(H2::get(3, "/hello"));
    CHECK(one.client.at(3).status == 0);
    one.pending->respond(Response::text(200, "at last"));
    one.turn();
    CHECK(heard(one, 1) == "200 at last");
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
  SECTION("a request that is still to come") {
    one.say(H2::post(1, "/echo") + H2::data(1, "a"));
    one.drain();
    one.say(H2::data(1, "b", true));
    CHECK(heard(one, 1) == "200 ab");
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
  SECTION("nothing") {
    one.drain();
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
    CHECK(one.client.goodbyes == 1);
  }
  SECTION("a farewell for which there is no room yet") {
    one.say(H2::settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0) + H2::get(1, "/events"));
    one.drain();
    CHECK(heard(one, 1) == "200  ...");
    CHECK_FALSE(one.peer().saw_end());
    one.say(H2::more_room(1, 1000));
    CHECK_THAT(heard(one, 1), ContainsSubstring("data: bye\n\n") && !ContainsSubstring("..."));
    CHECK(one.has_left(NGHTTP2_NO_ERROR));
  }
}

TEST_CASE("a cut counts every stream and answer that it costs", "[http2][connection][drain]") {
  HeldHttp2 one({}, Ways{.window = 1});
  one.say(H2::get(1, "/events") + H2::get(3, "/events") + H2::get(5, "/later") + H2::get(7, "/pieces") +
          H2::get(9, "/large") + H2::post(11, "/echo") + H2::get(13, "/nowhere"));
  one.say(H2::more_room(13, 1000));
  REQUIRE(one.client.at(13).ended);
  // Two streams, one answer that is awaited, one in pieces, one under way; a request that comes in is no answer yet.
  CHECK(one.cut() == 5);
  CHECK(one.peer().is_gone());
  CHECK(one.notes.size() == 4);
  CHECK_THAT(one.notes,
             Catch::Matchers::VectorContains("complete 0"s) && Catch::Matchers::VectorContains("complete 1"s));
  CHECK(one.cut() == 0);
}

TEST_CASE("an answer may be the last of its connection", "[http2][connection]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/later") + H2::get(3, "/last"));
  CHECK(heard(one, 3) == "200 last");
  CHECK(one.client.goodbye == NGHTTP2_NO_ERROR);
  CHECK_FALSE(one.peer().saw_end());
  one.pending->respond(Response::text(200, "at last"));
  one.turn();
  CHECK(heard(one, 1) == "200 at last");
  CHECK(one.has_left(NGHTTP2_NO_ERROR));
}

TEST_CASE("a connection for which there is no place is told so by its first answer", "[http2][connection]") {
  HeldHttp2 one({}, Ways{.facts = {.refusal = "too many connections"}});
  one.say(H2::get(1, "/hello"));
  CHECK(one.client.at(1).status == 503);
  CHECK_THAT(one.client.at(1).body, ContainsSubstring("too many connections"));
  CHECK(one.has_left(NGHTTP2_NO_ERROR));
}

TEST_CASE("each request of a connection knows whom its certificate is for", "[http2][connection]") {
  ConnectionFacts facts;
  facts.encrypted = true;
  facts.client_subject = std::make_shared<const std::string>("CN=anna");
  {
    HeldHttp2 one({}, Ways{.facts = facts});
    one.say(H2::get(1, "/subject") + H2::get(3, "/subject"));
    CHECK(heard(one, 1) == "200 CN=anna");
    CHECK(heard(one, 3) == "200 CN=anna");
    CHECK(one.server().encrypted_http2_connections == 1);
  }
  HeldHttp2 other;
  other.say(H2::get(1, "/subject"));
  CHECK(heard(other, 1) == "200 nobody");
}

TEST_CASE("whoever is in the middle of something is told that the connection has gone", "[http2][connection][end]") {
  struct State {
    const char* name;
    std::string said;
    std::size_t notes;  // that the program gets
  };
  const State state = GENERATE(values<State>({
      {"nothing", "", 0},
      {"half a frame", H2::get(1, "/hello").substr(0, 15), 0},
      {"half a request", H2::post(1, "/echo") + H2::data(1, "a"), 0},
      {"a hook", H2::post(1, "/asked", {{"expect", "100-continue"}}), 1},
      {"an answer that is awaited", H2::get(1, "/later"), 1},
      {"pieces", H2::get(1, "/pieces"), 1},
      {"a stream", H2::get(1, "/events"), 1},
      {"an answer that is under way", H2::get(1, "/large"), 0},
      {"all of it",
       H2::post(1, "/echo") + H2::get(3, "/later") + H2::get(5, "/pieces") + H2::get(7, "/events") +
           H2::get(9, "/large") + H2::get(11, "/events"),
       4},
  }));
  enum class Way { end, reset, broken_pipe, fault };
  const Way way = GENERATE(Way::end, Way::reset, Way::broken_pipe, Way::fault);
  CAPTURE(state.name, static_cast<int>(way));
  HeldHttp2 one({}, Ways{.window = 1});
  one.say(state.said);
  switch (way) {
    case Way::end: one.peer().end(); break;
    case Way::reset: one.peer().reset(); break;
    case Way::broken_pipe:  // what is written next fails
      one.peer().fail_write(0, std::make_error_code(std::errc::broken_pipe));
      one.peer().send(H2::ping());
      break;
    case Way::fault:
      if (state.name == "half a frame"s) return;  // the rest of it is none
      one.say(H2::frame(NGHTTP2_DATA, 0, 0, "x"));
  }
  one.turn();
  CHECK((way == Way::fault ? one.has_left(NGHTTP2_PROTOCOL_ERROR) : one.peer().is_gone()));
  // Of a stream the program is told that it is over, and why, unless the client has simply left.
  CHECK(one.notes.size() == state.notes + (way == Way::reset ? one.streams.size() : 0));
  CHECK(one.cut() == 0);
  for (const EventStream& stream : one.streams) CHECK_FALSE(stream.is_open());
  if (one.pieces) CHECK_FALSE(one.pieces->is_open());
  one.let_pass(1h);  // nobody waits for a moment any more
}

TEST_CASE("a connection ends when the last that has a part of it lets go", "[http2][connection][end]") {
  std::optional<HeldHttp2> one(std::in_place);
  one->say(H2::get(1, "/later") + H2::get(3, "/events") + H2::get(5, "/pieces"));
  Ref<ServerCore> server(&one->server());
  CHECK(server->http2_connections == 1);
  one->peer().reset();
  one->turn();
  one->pending.reset();
  one->pieces.reset();
  one.reset();
  CHECK(server->http2_connections == 0);
}

// ---- clients that break the rules ----

TEST_CASE("what does not begin as HTTP/2 does ends at once", "[http2][connection][fault]") {
  const std::string first = GENERATE("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"s, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"s,
                                     std::string(H2::preface) + H2::ping());
  HeldHttp2 one({}, Ways{.first = first});
  CHECK(one.has_left(NGHTTP2_PROTOCOL_ERROR));
  // The settings come before that all the same.
  CHECK(one.client.told.size() == 3);
}

TEST_CASE("a stream beyond those that a client may have is refused, and the connection lives",
          "[http2][connection][limits]") {
  HeldHttp2 one({}, Ways{.max_streams = 2});
  one.say(H2::get(1, "/events") + H2::get(3, "/events") + H2::get(5, "/hello"));
  CHECK(one.client.at(5).reset == NGHTTP2_REFUSED_STREAM);
  CHECK(one.client.at(5).status == 0);
  // Also when it was told, and has said so.
  one.say(H2::frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0) + H2::post(7, "/echo"));
  CHECK(one.client.at(7).reset == NGHTTP2_REFUSED_STREAM);
  // What was under way when it was refused is passed over.
  one.say(H2::data(7, "abc") + H2::head(7, {{"x", "y"}}));
  CHECK(lives(one));
  one.say(H2::reset(1));
  one.say(H2::get(9, "/hello"));
  CHECK(heard(one, 9) == "200 hello");
  CHECK(one.streams.size() == 2);
}

TEST_CASE("a client that has a server work for nothing is told to calm down, and leaves",
          "[http2][connection][flood]") {
  struct Flood {
    const char* name;
    std::function<std::string(int)> frame;
    int most;           // of it within a second
    std::string begin;  // what comes before it
  };
  const std::vector<Flood> floods{
      {"PING", [](int) { return H2::ping(); }, 100, ""},
      {"SETTINGS", [](int) { return H2::settings(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0); }, 100, ""},
      {"empty DATA", [](int) { return H2::data(1, ""); }, 100, H2::post(1, "/echo")},
      {"DATA of padding alone",
       [](int) { return H2::frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, std::string(1, '\0')); }, 100,
       H2::post(1, "/echo")},
      {"PRIORITY", [](int) { return H2::frame(NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1"s); }, 100, ""},
      {"RST_STREAM of what was not answered", [](int i) { return H2::get(1 + 2 * i, "/hello") + H2::reset(1 + 2 * i); },
       100, ""},
      {"faults of streams",
       [](int i) {
         return H2::get(1 + 2 * i, "/hello", {{"Upper", "x"}});
       },
       100, ""},
      {"streams beyond those allowed", [](int i) { return H2::get(5 + 2 * i, "/hello"); }, 100,
       H2::get(1, "/later") + H2::get(3, "/events")},
      {"WINDOW_UPDATE", [](int) { return H2::more_room(0, 1); }, 1000, ""},
      {"a type that nobody knows", [](int) { return H2::frame(0x55, 0, 0, "x"); }, 100, ""},
  };
  for (const Flood& flood : floods) {
    INFO(flood.name);
    HeldHttp2 one({}, Ways{.max_streams = flood.name == "streams beyond those allowed"s ? 2U : 1000U});
    if (!flood.begin.empty()) one.say(flood.begin);
    one.let_pass(2s);  // what was said before counts no more
    std::string all;
    for (int i = 0; i < flood.most; ++i) all += flood.frame(i);
    one.say(all);
    CHECK_FALSE(one.client.goodbye);
    one.say(flood.frame(flood.most));
    CHECK(one.has_left(NGHTTP2_ENHANCE_YOUR_CALM));
    // Slowly it is none.
    HeldHttp2 slow({}, Ways{.max_streams = flood.name == "streams beyond those allowed"s ? 2U : 1000U});
    if (!flood.begin.empty()) slow.say(flood.begin);
    for (int i = 0; i < 3 * flood.most; ++i) {
      slow.peer().send(flood.frame(i));
      if (i % (flood.most / 2) == 0) slow.let_pass(1s);
    }
    slow.turn();
    CHECK_FALSE(slow.client.goodbye);
  }
}

TEST_CASE("a head that goes on without fields is not waited for", "[http2][connection][flood]") {
  HeldHttp2 one;
  one.say(H2::frame(NGHTTP2_HEADERS, H2::end_stream, 1, H2::block(H2::request("GET", "/hello"))));
  int sent = 0;
  for (; !one.client.goodbye && sent < 1000; ++sent) one.say(H2::frame(NGHTTP2_CONTINUATION, 0, 1));
  CHECK(one.has_left(NGHTTP2_ENHANCE_YOUR_CALM));
  CHECK(sent <= 100);
}

TEST_CASE("whoever takes back each request before it is answered floods a server, though all were handled",
          "[http2][connection][flood]") {
  HeldHttp2 one;
  one.let_pass(1s);
  for (Stream stream = 1; stream < 1 + 2 * 100; stream += 2) {
    one.say(H2::get(stream, "/later"));
    one.say(H2::reset(stream));
  }
  CHECK(lives(one));
  CHECK(one.notes.size() == 100);
  one.say(H2::get(201, "/later"));
  one.say(H2::reset(201));
  CHECK(one.has_left(NGHTTP2_ENHANCE_YOUR_CALM));
}

TEST_CASE("whoever takes back what was answered, or gives room for what was sent, floods nobody",
          "[http2][connection][flood]") {
  SECTION("streams that were open before") {
    HeldHttp2 one({}, Ways{.max_streams = 1000});
    for (Stream stream = 1; stream < 1000; stream += 2) one.say(H2::get(stream, "/events"));
    one.let_pass(1s);
    for (Stream stream = 1; stream < 1000; stream += 2) one.say(H2::reset(stream));
    CHECK(lives(one));
    CHECK(one.notes.size() == 500);
  }
  SECTION("a question for each answer") {
    HeldHttp2 one;
    for (Stream stream = 1; stream < 1000; stream += 2) one.say(H2::get(stream, "/hello") + H2::ping());
    CHECK(lives(one));
    CHECK(one.client.pings == 500);
  }
  SECTION("room for each event, of the stream and of the connection") {
    HeldHttp2 one;
    one.say(H2::get(1, "/events"));
    for (int i = 0; i < 2000; ++i) {
      one.streams[0].send(Event("x"));
      one.turn();
      one.say(H2::more_room(0, 9) + H2::more_room(1, 9));
    }
    CHECK(lives(one));
    CHECK(one.client.at(1).body.size() == 2000 * 9);
  }
}

TEST_CASE("a block of header fields is no larger than a server bears", "[http2][connection][flood]") {
  HeldHttp2 one;
  const std::string fields = H2::block({{"x", std::string(10'000, 'x')}});
  one.say(H2::frame(NGHTTP2_HEADERS, H2::end_stream, 1, H2::block(H2::request("GET", "/hello"))));
  SECTION("one that ends is answered") {
    for (int i = 0; i < 3; ++i) one.say(H2::frame(NGHTTP2_CONTINUATION, 0, 1, fields));
    one.say(H2::frame(NGHTTP2_CONTINUATION, H2::end_headers, 1));
    CHECK(one.client.at(1).status == 431);
    CHECK(lives(one));
  }
  SECTION("one that goes on is not waited for") {
    int sent = 0;
    while (!one.client.goodbye && sent < 100) {
      one.say(H2::frame(NGHTTP2_CONTINUATION, 0, 1, fields));
      ++sent;
    }
    CHECK(one.has_left(NGHTTP2_ENHANCE_YOUR_CALM));
    CHECK(sent <= 27);
  }
  SECTION("nor one of which nothing can be unpacked, whether or not nghttp2 counts its frames") {
    const std::string sizes(10'000, '\x20');  // of the table, which may change before the first field (RFC 7541 4.2)
    HeldHttp2 other;
    other.say(H2::frame(NGHTTP2_HEADERS, H2::end_stream, 1, sizes));
    int sent = 0;
    while (!other.client.goodbye && sent < 100) {
      other.say(H2::frame(NGHTTP2_CONTINUATION, 0, 1, sizes));
      ++sent;
    }
    CHECK(other.has_left(NGHTTP2_ENHANCE_YOUR_CALM));
    CHECK(sent <= 27);
  }
}

TEST_CASE("streams come in their order, and none comes twice", "[http2][connection][fault]") {
  HeldHttp2 one;
  one.say(H2::get(5, "/hello"));
  CHECK(heard(one, 5) == "200 hello");
  const Stream again = GENERATE(3, 5, 2, 4);
  CAPTURE(again);
  one.say(H2::get(again, "/hello"));
  CHECK(one.client.goodbye == NGHTTP2_PROTOCOL_ERROR);
  CHECK(one.peer().saw_end());
  CHECK(one.server().requests == 1);
}

TEST_CASE("what was under way to a stream that was reset here is no fault", "[http2][connection][fault]") {
  ServerOptions options;
  options.limits.max_body_bytes = 1;
  HeldHttp2 one(options);
  one.say(H2::post(1, "/echo") + H2::data(1, "too much"));
  REQUIRE(one.client.at(1).reset == NGHTTP2_NO_ERROR);
  SECTION("for some time") {
    one.let_pass(9s);
    one.say(H2::data(1, "more") + H2::head(1, {{"x", "y"}}));
    CHECK(lives(one));
  }
  SECTION("not for ever") {
    one.let_pass(11s);
    one.say(H2::head(1, {{"x", "y"}}));
    CHECK(one.client.goodbye == NGHTTP2_PROTOCOL_ERROR);
  }
}

TEST_CASE("behind the last GOAWAY nothing is read, and the connection closes in stages", "[http2][connection][end]") {
  HeldHttp2 one;
  one.say(H2::get(1, "/events"));
  one.say(H2::frame(NGHTTP2_DATA, 0, 0, "x") + H2::get(3, "/hello"));
  CHECK(one.has_left(NGHTTP2_PROTOCOL_ERROR));
  CHECK(one.client.at(3).status == 0);
  CHECK(one.notes == Texts{"complete 0"});
  CHECK_FALSE(one.peer().is_gone());
  one.say(H2::get(5, "/hello"));
  CHECK(one.server().requests == 1);
  one.let_pass(2s);
  CHECK(one.peer().is_gone());
}

// ---- what the program does wrong ----

namespace {

/// What a stream draws from, and cannot.
class BrokenSource final : public StreamSource {
 public:
  std::uint64_t accepted() const override { return 1; }
  bool owes(std::uint64_t) const override { return true; }
  bool pull(std::uint64_t) override { throw std::runtime_error("broken source"); }
  bool busy() const override { return false; }
  bool reads() const override { return false; }
  bool awaits_pull() const override { return false; }
  bool leave() override { return false; }
  void queue_unread() override {}
  void settle(GzipBody&) override {}
  void lose_place(GzipBody&) noexcept override {}
  void stream_ended(EndReason) override {}
};

}  // namespace

TEST_CASE("what is thrown for one stream ends that one alone, and is told to who runs the loop",
          "[http2][connection][failure]") {
  HeldHttp2 one({}, Ways{.window = 4});
  one.say(H2::get(1, "/events") + H2::get(3, "/events"));
  const auto source = make_ref<BrokenSource>();
  SECTION("in its turn") {
    CHECK_NOTHROW(one.turn());
  }
  SECTION("when there is room again, in the middle of a frame") {
    for (const EventStream& stream : one.streams) stream.send(Event("x"));
    one.turn();
    CHECK(heard(one, 1) == "200 data ...");
  }
  access::core(one.streams[0])->add_source(source);
  CHECK_THROWS_WITH(one.say(H2::more_room(1, 1000) + H2::more_room(3, 1000)), "broken source");
  one.streams[1].send(Event("y"));
  one.turn();
  CHECK_FALSE(one.streams[0].is_open());
  CHECK_FALSE(one.client.at(1).ended);
  CHECK(one.client.at(1).reset == NGHTTP2_CANCEL);
  CHECK(one.notes == Texts{"error 0: " + make_error_code(Errc::handler_failed).message(), "complete 0"});
  CHECK_THAT(heard(one, 3), ContainsSubstring("data: y\n\n ..."));
  CHECK(lives(one));
}

// ---- the access log ----

TEST_CASE("an access log is told of each request of a connection, and of how each stream ended",
          "[http2][connection][access_log]") {
  std::vector<AccessRecord> told;
  ServerOptions options;
  options.access_log = [&](const AccessRecord& record) { told.push_back(record); };
  options.request_timeout = 10s;
  HeldHttp2 one(options);
  SECTION("an answer") {
    one.say(H2::get(1, "/hello", {{"user-agent", "a test"}}));
    REQUIRE(told.size() == 1);
    CHECK(told[0].protocol == "HTTP/2");
    CHECK(told[0].method == "GET");
    CHECK(told[0].target == "/hello");
    CHECK(told[0].route == "/hello");
    CHECK(told[0].user_agent == "a test");
    CHECK(told[0].body_bytes == 5);
    CHECK(told[0].complete);
  }
  SECTION("one whose client gives it room later") {
    one.say(H2::get(1, "/large"));
    one.let_pass(3s);
    CHECK(told.empty());
    one.say(H2::more_room(0, wide) + H2::more_room(1, wide));
    REQUIRE(told.size() == 1);
    CHECK(told[0].body_bytes == 300'000);
    CHECK(told[0].duration == 3s);
  }
  SECTION("one that its client takes back in the middle") {
    one.say(H2::get(1, "/large"));
    one.say(H2::reset(1));
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 200);
    CHECK(told[0].body_bytes == one.client.at(1).body.size());
    CHECK_FALSE(told[0].complete);
  }
  SECTION("one that nobody waited for") {
    one.say(H2::get(1, "/later"));
    one.say(H2::reset(1));
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 0);
  }
  SECTION("one in pieces") {
    one.say(H2::get(1, "/pieces"));
    one.pieces->begin(Response(200));
    one.pieces->async_write("abc", [](std::error_code) {});
    one.turn();
    CHECK(told.empty());
    one.pieces->finish();
    one.turn();
    REQUIRE(told.size() == 1);
    CHECK(told[0].body_bytes == 3);
    CHECK(told[0].complete);
  }
  SECTION("a body that takes too long") {
    one.say(H2::head(1, H2::request("POST", "/echo"), false));
    one.let_pass(10s);
    REQUIRE(told.size() == 1);
    CHECK(told[0].status == 408);
    CHECK(told[0].target == "/echo");
  }
  SECTION("a stream") {
    one.say(H2::get(1, "/events"));
    one.streams[0].send(Event("x"));
    one.turn();
    CHECK(told.empty());
    one.streams[0].complete();
    one.turn();
    REQUIRE(told.size() == 1);
    CHECK(told[0].stream_end == EndReason::completed);
    CHECK(told[0].complete);
    CHECK(told[0].events == 1);
    CHECK(told[0].body_bytes == one.client.at(1).body.size());
  }
  SECTION("and nothing of what was never asked to its end") {
    one.say(H2::head(1, H2::request("POST", "/echo"), false) + H2::reset(1));
    one.turn();
    CHECK(told.empty());
  }
  const std::size_t before = told.size();
  one.let_pass(1h);  // the connection closes as idle
  CHECK(told.size() == before);
}
