// Frames of one connection on the server's side: raw frames in, what they say out, and back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <nghttp2/nghttp2.h>

#include <spate/http2/detail/http2_framing.hpp>
#include <spate/wire/detail/quote.hpp>
#include "support/catch.hpp"
#include "support/held_http2_client.hpp"

using namespace spate;
using namespace spate::detail;
using namespace spate::test;
using H2 = HeldHttp2Client;
using Channel = Http2Framing::Channel;
using Stream = Http2Framing::Stream;
using Body = Http2Framing::Body;

namespace {

/// Notes what the framing tells, a line each, and gives the bodies that the test has put.
class Framed final : private Http2Framing::Events {
 public:
  explicit Framed(const Http2Framing::Settings& settings = {}) : framing(*this, settings) {}

  /// The framing takes `bytes`, and the client what there is to send.
  bool take(std::string_view bytes) {
    const bool understood = framing.take(bytes);
    put();
    return understood;
  }
  void put() {
    std::string out;
    while (framing.put_frames(out)) continue;
    client.hear(out);
  }
  /// What has been noted since the last time.
  std::string notes() { return std::exchange(notes_, {}); }

  void give(Stream stream, const std::string& bytes, bool ends = false) {
    bodies[stream] += bytes;
    ends_[stream] = ends;
    framing.resume(stream, stream + offset);
    put();
  }

  HeldHttp2Client client;
  Http2Framing framing;
  std::map<Stream, std::string> bodies;  // that are still to be sent; a channel is the number of its stream, and 100
  bool refuses = false;
  bool notes_heads = false;

 private:
  static constexpr Channel offset = 100;

  void note(Channel channel, const std::string& what) {
    notes_ += std::to_string(channel - offset) + " " + what + "\n";
  }

  void on_frame_head(const Http2Framing::FrameHead& head) noexcept override {
    if (!notes_heads) return;
    notes_ += "type " + std::to_string(head.type) + " flags " + std::to_string(head.flags) + " size " +
              std::to_string(head.size) + " stream " + std::to_string(head.stream) +
              (head.channel == Http2Framing::no_channel ? "\n" : " known\n");
  }
  Channel on_request(Stream stream) noexcept override {
    note(stream + offset, refuses ? "refused" : "request");
    return refuses ? Http2Framing::no_channel : stream + offset;
  }
  void on_field(Channel channel, std::string_view name, std::string_view value) noexcept override {
    if (name.front() == ':' && name != ":path") return;
    note(channel, std::string(name) + "=" + std::string(value));
  }
  void on_head_end(Channel channel, bool follows) noexcept override { note(channel, follows ? "head" : "head alone"); }
  void on_body(Channel channel, std::string_view bytes) noexcept override { note(channel, detail::quote(bytes)); }
  void on_body_end(Channel channel) noexcept override { note(channel, "whole"); }
  void on_answer_end(Channel channel) noexcept override { note(channel, "answered"); }
  void on_stream_end(Channel channel, std::uint32_t code) noexcept override {
    note(channel, "over " + std::to_string(code));
  }
  void on_fault() noexcept override { notes_ += "fault\n"; }
  Http2Framing::Piece on_piece(Channel channel, std::uint8_t* out, std::size_t size) noexcept override {
    using Then = Http2Framing::Piece::Then;
    std::string& body = bodies[channel - offset];
    const std::size_t taken = body.copy(reinterpret_cast<char*>(out), size);
    body.erase(0, taken);
    if (!body.empty()) return {taken, Then::more};
    return {taken, ends_[channel - offset] ? Then::end : Then::later};
  }

  std::map<Stream, bool> ends_;
  std::string notes_;
};

constexpr std::string_view get_x = "1 request\n1 :path=/x\n1 head alone\n1 whole\n";

}  // namespace

TEST_CASE("a request is told field by field, and its body piece by piece", "[http2][framing]") {
  Framed framed;
  CHECK(framed.take(H2::hello() + H2::get(1, "/x", {{"accept", "y"}})));
  CHECK(framed.notes() == "1 request\n1 :path=/x\n1 accept=y\n1 head alone\n1 whole\n");
  CHECK(framed.framing.is_client_done(1));
  framed.take(H2::post(3, "/x") + H2::data(3, "ab"));
  CHECK(framed.notes() == "3 request\n3 :path=/x\n3 head\n3 \"ab\"\n");
  CHECK_FALSE(framed.framing.is_client_done(3));
  framed.take(H2::data(3, "c", true));
  CHECK(framed.notes() == "3 \"c\"\n3 whole\n");
  CHECK(framed.framing.is_client_done(3));
  // Trailers end a body, and are not told.
  framed.take(H2::post(5, "/x") + H2::data(5, "d") + H2::head(5, {{"checksum", "1"}}));
  CHECK(framed.notes() == "5 request\n5 :path=/x\n5 head\n5 \"d\"\n5 whole\n");
}

TEST_CASE("however frames are cut, the same is told", "[http2][framing][split]") {
  const std::string said = H2::hello() + H2::frame(NGHTTP2_HEADERS, 0, 1, H2::block(H2::request("POST", "/x"))) +
                           H2::frame(NGHTTP2_CONTINUATION, H2::end_headers, 1, H2::block({{"a", "b"}})) + H2::ping() +
                           H2::data(1, "", true) + H2::get(3, "/y");
  Framed whole;
  whole.notes_heads = true;
  whole.take(said);
  const std::string expected = whole.notes();
  CHECK(expected ==
        "type 4 flags 0 size 6 stream 0\ntype 1 flags 0 size 60 stream 1\n1 request\n1 :path=/x\n"
        "type 9 flags 4 size 5 stream 1 known\n1 a=b\n1 head\ntype 6 flags 0 size 8 stream 0\n"
        "type 0 flags 1 size 0 stream 1 known\n1 whole\ntype 1 flags 5 size 59 stream 3\n"
        "3 request\n3 :path=/y\n3 head alone\n3 whole\n");
  for (std::size_t at = 0; at <= said.size(); ++at) {
    CAPTURE(at);
    Framed cut;
    cut.notes_heads = true;
    cut.take(said.substr(0, at));
    cut.take(said.substr(at));
    CHECK(cut.notes() == expected);
    CHECK(cut.client.pings == 1);
  }
  Framed bytewise;
  bytewise.notes_heads = true;
  for (const char byte : said) bytewise.take({&byte, 1});
  CHECK(bytewise.notes() == expected);
}

TEST_CASE("an answer has its head, and its body as it comes", "[http2][framing]") {
  Framed framed;
  framed.take(H2::hello() + H2::get(1, "/x"));
  CHECK(framed.notes() == get_x);
  SECTION("a head alone") {
    framed.framing.put_head(1, 204, {{"X-Name", "Value"}}, Body::none);
    framed.put();
    CHECK(framed.client.at(1).status == 204);
    CHECK(framed.client.at(1).fields == std::map<std::string, std::string>{{"x-name", "Value"}});
    CHECK(framed.client.at(1).ended);
    CHECK(framed.notes() == "1 answered\n1 over 0\n");
  }
  SECTION("a body in pieces") {
    framed.framing.put_head(1, 200, {}, Body::follows);
    framed.give(1, "ab");
    CHECK(framed.client.at(1).body == "ab");
    CHECK_FALSE(framed.client.at(1).ended);
    framed.give(1, "c");
    framed.give(1, "", true);
    CHECK(framed.client.at(1).body == "abc");
    CHECK(framed.client.at(1).ended);
    CHECK(framed.client.at(1).pieces == 2);
    CHECK(framed.notes() == "1 answered\n1 over 0\n");
  }
  SECTION("interim heads before it") {
    framed.framing.put_head(1, 100, {}, Body::follows);
    framed.framing.put_head(1, 103, {{"Link", "x"}}, Body::follows);
    framed.framing.put_head(1, 200, {}, Body::none);
    framed.put();
    CHECK(framed.client.at(1).interim == std::vector<int>{100, 103});
    CHECK(framed.client.at(1).status == 200);
    CHECK(framed.client.at(1).ended);
  }
  SECTION("no field that belongs to a connection of HTTP/1") {
    framed.framing.put_head(1, 200,
                            {{"Connection", "close"},
                             {"Keep-Alive", "timeout=5"},
                             {"Proxy-Connection", "close"},
                             {"Transfer-Encoding", "chunked"},
                             {"Upgrade", "x"},
                             {"Connections", "stays"}},
                            Body::none);
    framed.put();
    CHECK(framed.client.at(1).fields == std::map<std::string, std::string>{{"connections", "stays"}});
  }
}

TEST_CASE("no more is sent than the client gives room for", "[http2][framing][window]") {
  Framed framed;
  framed.take(H2::hello(4) + H2::get(1, "/x") + H2::get(3, "/x"));
  framed.framing.put_head(1, 200, {}, Body::follows);
  framed.framing.put_head(3, 200, {}, Body::follows);
  framed.put();
  CHECK_FALSE(framed.framing.is_held_back(1));
  framed.give(1, "abcdef");
  framed.give(3, "abc");
  CHECK(framed.client.at(1).body == "abcd");
  CHECK(framed.client.at(3).body == "abc");
  CHECK(framed.framing.is_held_back(1));
  CHECK_FALSE(framed.framing.is_held_back(3));
  framed.take(H2::more_room(1, 1));
  CHECK(framed.client.at(1).body == "abcde");
  // A new setting counts for what is open, in both directions. (RFC 9113 6.9.2)
  framed.take(H2::settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2));
  CHECK(framed.framing.is_held_back(3));
  framed.take(H2::settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10));
  CHECK(framed.client.at(1).body == "abcdef");
  CHECK_FALSE(framed.framing.is_held_back(3));
  SECTION("on the connection, all of them are held back") {
    framed.take(H2::more_room(1, 1 << 20));
    framed.give(1, std::string(100'000, 'x'));
    CHECK(framed.client.at(1).body.size() + framed.client.at(3).body.size() == 65535);
    CHECK(framed.framing.is_held_back(3));
  }
}

TEST_CASE("a stream that is reset is over for both", "[http2][framing]") {
  Framed framed;
  framed.take(H2::hello() + H2::post(1, "/x"));
  framed.notes();
  SECTION("by the client") {
    framed.take(H2::reset(1, NGHTTP2_CANCEL));
    CHECK(framed.notes() == "1 over 8\n");
  }
  SECTION("by the server") {
    framed.framing.reset(1, NGHTTP2_INTERNAL_ERROR);
    framed.put();
    CHECK(framed.client.at(1).reset == NGHTTP2_INTERNAL_ERROR);
    CHECK(framed.notes() == "1 over 2\n");
  }
  SECTION("because the client has broken a rule") {
    framed.take(H2::get(3, "/x", {{"connection", "close"}}));
    CHECK(framed.client.at(3).reset == NGHTTP2_PROTOCOL_ERROR);
    CHECK(framed.notes() == "3 request\n3 :path=/x\nfault\n3 over 1\n");
    framed.take(H2::reset(1));
  }
  framed.take(H2::data(1, "x", true));  // what was under way
  CHECK(framed.notes().find("\"x\"") == std::string::npos);
  CHECK_FALSE(framed.framing.is_over());
}

TEST_CASE("a stream that is refused is reset, and nothing more is told of it", "[http2][framing]") {
  Framed framed;
  framed.take(H2::hello());
  framed.refuses = true;
  framed.take(H2::post(1, "/x", {{"a", "b"}}) + H2::data(1, "abc", true));
  CHECK(framed.notes() == "1 refused\n");
  CHECK(framed.client.at(1).reset == NGHTTP2_REFUSED_STREAM);
  framed.refuses = false;
  framed.take(H2::get(3, "/x", {{"a", "b"}}));
  CHECK(framed.notes() == "3 request\n3 :path=/x\n3 a=b\n3 head alone\n3 whole\n");
}

TEST_CASE("an answer for which its stream does not wait any more is passed over", "[http2][framing]") {
  Framed framed;
  framed.take(H2::hello() + H2::post(1, "/x"));
  framed.notes();
  SECTION("the client has taken it back: nothing more is sent on it (RFC 9113 6.4)") {
    framed.framing.put_head(1, 200, {}, Body::follows);
    framed.framing.take(H2::reset(1));
    framed.put();
    CHECK_FALSE(framed.client.at(1).reset);
  }
  SECTION("the server has: the client hears why") {
    framed.framing.reset(1, NGHTTP2_CANCEL);
    framed.framing.put_head(1, 200, {}, Body::follows);
    framed.put();
    CHECK(framed.client.at(1).reset == NGHTTP2_CANCEL);
  }
  CHECK(framed.client.at(1).status == 0);
  CHECK(framed.notes() == "1 over 8\n");
  framed.take(H2::get(3, "/x"));
  CHECK(framed.notes() == "3 request\n3 :path=/x\n3 head alone\n3 whole\n");
}

TEST_CASE("a stream whose head cannot be sent is reset, so that nobody waits for it", "[http2][framing]") {
  Framed framed;
  framed.take(H2::hello() + H2::post(1, "/x"));
  framed.notes();
  framed.framing.put_head(1, 200, {}, Body::none);
  framed.framing.put_head(1, 200, {}, Body::follows);  // behind the end
  framed.put();
  CHECK(framed.client.at(1).ended);
  CHECK(framed.client.at(1).reset == NGHTTP2_INTERNAL_ERROR);
  CHECK(framed.notes() == "1 answered\n1 over 2\n");
  CHECK_FALSE(framed.framing.is_over());
}

TEST_CASE("how many streams there may be is told, and is the user's to hold", "[http2][framing]") {
  Framed framed({.max_streams = 2, .max_header_bytes = 1234, .window = 100'000});
  framed.take(H2::hello() + H2::frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0));
  CHECK(framed.client.told[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS] == 2);
  CHECK(framed.client.told[NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE] == 1234);
  CHECK(framed.client.told[NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES] == 1);
  CHECK(65535 + framed.client.room[0] == 100'000);
  for (Stream stream = 1; stream < 9; stream += 2) framed.take(H2::get(stream, "/x"));
  CHECK(framed.notes().find("7 head alone") != std::string::npos);
  CHECK_FALSE(framed.client.goodbye);
}

TEST_CASE("what bodies take of the connection's window comes back when it is consumed", "[http2][framing][window]") {
  Framed framed({.max_streams = 10, .max_header_bytes = 1000, .window = 100'000});
  framed.take(H2::hello() + H2::post(1, "/x"));
  const std::string piece(10'000, 'x');
  const std::size_t told = framed.client.room[0];
  for (int i = 0; i < 9; ++i) framed.take(H2::data(1, piece));
  // Of its own the stream always has more.
  CHECK(framed.client.room[1] >= 60'000);
  CHECK(framed.client.room[0] == told);
  framed.framing.consume(90'000);
  framed.put();
  CHECK(framed.client.room[0] == told + 90'000);
  SECTION("what is sent beyond it ends the connection") {
    for (int i = 0; i < 11; ++i) framed.take(H2::data(1, piece));
    CHECK(framed.client.goodbye == NGHTTP2_FLOW_CONTROL_ERROR);
  }
}

TEST_CASE("a connection retires, or ends at once", "[http2][framing][end]") {
  Framed framed;
  framed.take(H2::hello() + H2::get(1, "/x"));
  framed.framing.put_head(1, 200, {}, Body::follows);
  framed.put();
  framed.notes();
  SECTION("it retires: what is open goes on") {
    framed.framing.retire();
    framed.put();
    CHECK(framed.client.goodbye == NGHTTP2_NO_ERROR);
    CHECK(framed.client.last_stream == 1);
    CHECK_FALSE(framed.framing.is_over());
    framed.take(H2::get(3, "/x"));
    CHECK(framed.notes().empty());
    framed.give(1, "x", true);
    CHECK(framed.client.at(1).ended);
    CHECK(framed.framing.is_over());
  }
  SECTION("it ends: nothing goes on") {
    framed.framing.terminate(NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK_FALSE(framed.framing.is_over());
    framed.put();
    CHECK(framed.client.goodbye == NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK(framed.framing.is_over());
    framed.take(H2::get(3, "/x"));
    CHECK(framed.notes().empty());
  }
}

TEST_CASE("what is no HTTP/2 is answered with GOAWAY, behind the settings", "[http2][framing][fault]") {
  const std::string said = GENERATE(std::string("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                                    "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX" + H2::ping(), H2::hello().substr(1));
  Framed framed;
  CHECK_FALSE(framed.framing.take(said));
  CHECK_FALSE(framed.framing.is_over());
  framed.put();
  CHECK(framed.client.told.size() == 3);
  CHECK(framed.client.goodbye == NGHTTP2_PROTOCOL_ERROR);
  CHECK(framed.framing.is_over());
  CHECK_FALSE(framed.take(H2::hello() + H2::get(1, "/x")));
  CHECK(framed.notes().empty());
  CHECK(framed.client.goodbyes == 1);
}

TEST_CASE("a fault of the whole connection ends it, with its code", "[http2][framing][fault]") {
  struct Fault {
    const char* name;
    std::string said;
    std::uint32_t code;
  };
  const Fault fault = GENERATE(values<Fault>({
      {"DATA on no stream", H2::frame(NGHTTP2_DATA, 0, 0, "x"), NGHTTP2_PROTOCOL_ERROR},
      {"DATA on a stream that is not open", H2::data(1, "x"), NGHTTP2_PROTOCOL_ERROR},
      {"a stream of the server's", H2::get(2, "/x"), NGHTTP2_PROTOCOL_ERROR},
      {"a push", H2::frame(NGHTTP2_PUSH_PROMISE, 4, 1, std::string(4, '\0')), NGHTTP2_PROTOCOL_ERROR},
      {"CONTINUATION of nothing", H2::frame(NGHTTP2_CONTINUATION, 4, 1), NGHTTP2_PROTOCOL_ERROR},
      {"another frame in a block of fields", H2::frame(NGHTTP2_HEADERS, 0, 1) + H2::ping(), NGHTTP2_PROTOCOL_ERROR},
      {"SETTINGS of no size", H2::frame(NGHTTP2_SETTINGS, 0, 0, "x"), NGHTTP2_FRAME_SIZE_ERROR},
      {"PING of no size", H2::frame(NGHTTP2_PING, 0, 0, "x"), NGHTTP2_FRAME_SIZE_ERROR},
      {"a frame too large", H2::frame(NGHTTP2_DATA, 0, 1, std::string(16'385, 'x')), NGHTTP2_FRAME_SIZE_ERROR},
      {"a block that is broken", H2::frame(NGHTTP2_HEADERS, 5, 1, "\x80"), NGHTTP2_COMPRESSION_ERROR},
      {"no room on the connection", H2::more_room(0, 0), NGHTTP2_PROTOCOL_ERROR},
      {"too much of it", H2::more_room(0, 0x7FFFFFFF), NGHTTP2_FLOW_CONTROL_ERROR},
      {"a window beyond all", H2::settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0x80000000),
       NGHTTP2_FLOW_CONTROL_ERROR},
  }));
  CAPTURE(fault.name);
  Framed framed;
  framed.take(H2::hello());
  framed.take(fault.said);
  CHECK(framed.client.goodbye == fault.code);
  CHECK(framed.framing.is_over());
  framed.notes();
  framed.take(H2::get(11, "/x"));
  CHECK(framed.notes().empty());
}

TEST_CASE("frames come out a few at a time, and nothing needs no memory", "[http2][framing]") {
  Framed framed;
  framed.take(H2::hello() + H2::more_room(0, 1 << 20) + H2::settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20) +
              H2::get(1, "/x"));
  framed.framing.put_head(1, 200, {}, Body::follows);
  framed.bodies[1] = std::string(100'000, 'x');
  framed.framing.resume(1, 101);
  std::string all;
  int times = 0;
  for (std::string out; framed.framing.put_frames(out); out.clear(), ++times) {
    CHECK(out.size() <= 17 * 1024);
    all += out;
  }
  CHECK(times > 5);
  framed.client.hear(all);
  CHECK(framed.client.at(1).body.size() == 100'000);
  std::string nothing;
  CHECK_FALSE(framed.framing.put_frames(nothing));
  CHECK(nothing.capacity() == std::string().capacity());
}
