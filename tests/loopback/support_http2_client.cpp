// The tests' own client of HTTP/2, against a peer that sends what the test says.
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include "support/catch.hpp"
#include "support/http2_client.hpp"
#include "support/serving.hpp"

using namespace spate;
using namespace spate::test;

namespace {

const std::string greeting = http2_frame(NGHTTP2_SETTINGS, 0, 0, http2_settings({{3, 7}})) +
                             http2_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");

std::string answer(std::uint32_t stream, const Http2Fields& fields = {{":status", "200"}}, std::uint8_t flags = 0) {
  return http2_frame(NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream, http2_block(fields));
}
std::string data(std::uint32_t stream, std::string_view bytes, std::uint8_t flags = 0) {
  return http2_frame(NGHTTP2_DATA, flags, stream, bytes);
}

/// The server's end of a connection, which has said all that it will say before the client comes.
class Http2Peer {
 public:
  explicit Http2Peer(const std::string& script)
      : acceptor_(listening(io_.get_executor())),
        plain_(std::make_unique<Client>(acceptor_.local_endpoint().port())),
        socket_(acceptor_.accept()) {
    asio::write(socket_, asio::buffer(greeting + script));
    socket_.shutdown(asio::socket_base::shutdown_send);
  }
  Http2Client client() { return Http2Client(std::move(plain_)); }
  std::string read(std::size_t size) {
    std::string bytes(size, '\0');
    asio::read(socket_, asio::buffer(bytes));
    return bytes;
  }

 private:
  asio::io_context io_;
  asio::ip::tcp::acceptor acceptor_;
  std::unique_ptr<Client> plain_;
  asio::ip::tcp::socket socket_;
};

}  // namespace

TEST_CASE("an HTTP/2 client greets, asks, and reads the answer", "[support]") {
  Http2Peer peer(answer(1, {{":status", "200"}, {"x", "y"}}) + data(1, "he") + data(3, "") + data(1, "llo", 1));
  Http2Client client = peer.client();
  CHECK(client.setting(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) == 7u);
  CHECK_FALSE(client.setting(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE));
  CHECK(client.get("/", {{"a", "b"}}) == 1);
  CHECK(client.read_head(1).field("x") == "y");
  CHECK(client.read_data(1, 1) == "h");
  // The peer has answered nothing on that stream.
  CHECK_THROWS_AS(client.read_body(1), Failure);

  const std::string block = http2_block({{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}}) +
                            http2_block({{":path", "/"}, {"a", "b"}});
  const std::string sent = NGHTTP2_CLIENT_MAGIC + http2_frame(NGHTTP2_SETTINGS, 0, 0, "") +
                           http2_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "") +
                           http2_frame(NGHTTP2_HEADERS, 0x5, 1, block);
  CHECK(peer.read(sent.size()) == sent);
}

TEST_CASE("an HTTP/2 client reads padding, parts of header blocks, and trailers", "[support]") {
  const std::string block = http2_block({{":status", "200"}, {"x", std::string(300, 'y')}});
  Http2Peer peer(http2_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_PADDED | NGHTTP2_FLAG_PRIORITY, 1,
                             "\x02" + std::string(5, 'p') + block.substr(0, 3) + std::string(2, '\0')) +
                 http2_frame(NGHTTP2_CONTINUATION, 0, 1, block.substr(3, 100)) +
                 http2_frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, block.substr(103)) +
                 data(1, std::string("\x01") + "text" + std::string(1, '\0'), NGHTTP2_FLAG_PADDED) +
                 answer(1, {{"t", "u"}}, NGHTTP2_FLAG_END_STREAM));
  Http2Client client = peer.client();
  client.get("/");
  CHECK(client.read_head(1).field("x") == std::string(300, 'y'));
  CHECK(client.read_body(1) == "text");
  CHECK(client.trailers(1) == Http2Fields{{"t", "u"}});
}

TEST_CASE("an HTTP/2 client tells resets, GOAWAY and the end apart", "[support]") {
  const std::string reset = http2_frame(NGHTTP2_RST_STREAM, 0, 1, big_endian(NGHTTP2_CANCEL, 4));
  const std::string goaway = http2_frame(NGHTTP2_GOAWAY, 0, 0, big_endian(1, 4) + big_endian(11, 4) + "calm");
  {
    Http2Peer peer(reset + goaway);
    Http2Client client = peer.client();
    client.expect_reset(1, NGHTTP2_CANCEL);
    CHECK_THROWS_AS(client.read_head(1), Failure);
    const Http2Goaway found = client.expect_goaway(NGHTTP2_ENHANCE_YOUR_CALM);
    CHECK(found.last_stream == 1);
    CHECK(found.debug == "calm");
    CHECK(client.expect_closed() == End::closed);
    CHECK_THROWS_AS(client.expect_goaway(NGHTTP2_ENHANCE_YOUR_CALM), Failure);
  }
  Http2Peer peer(reset + goaway);
  Http2Client client = peer.client();
  CHECK_THROWS_AS(client.expect_reset(1, NGHTTP2_PROTOCOL_ERROR), Failure);
  CHECK_THROWS_AS(client.expect_connection_error(NGHTTP2_NO_ERROR), Failure);
}

TEST_CASE("an HTTP/2 client takes amiss what a server must not send", "[support]") {
  const auto refused = [](const std::string& script) {
    Http2Peer peer(script);
    Http2Client client = peer.client();
    CHECK_THROWS_WITH(client.expect_closed(), Catch::Matchers::ContainsSubstring("RFC 9113"));
  };
  refused(answer(1, {{":status", "200"}, {"X", "y"}}));
  refused(answer(1, {{":status", "200"}, {"x", "y\r\nz"}}));
  refused(answer(1, {{":status", "200"}, {"connection", "close"}}));
  refused(answer(1, {{":status", "200"}, {"transfer-encoding", "chunked"}}));
  refused(answer(1, {{"x", "y"}, {":status", "200"}}));
  refused(answer(1, {}));
  refused(data(1, "too soon"));
  refused(answer(1, {{":status", "100"}}) + data(1, "too soon"));
  refused(answer(1) + data(1, "", NGHTTP2_FLAG_END_STREAM) + data(1, "too late"));
  refused(answer(1) + answer(1, {{"trailer", "that does not end"}}));
  refused(http2_frame(NGHTTP2_HEADERS, 0, 1, http2_block({{":status", "200"}})) + data(1, "between"));
  refused(http2_frame(NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, ""));
  refused(http2_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, "\x80"));
  refused(answer(1) + data(1,
                           "\x05"
                           "text",
                           NGHTTP2_FLAG_PADDED));
  refused(http2_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, ""));
}

TEST_CASE("an HTTP/2 client counts what it has allowed", "[support]") {
  const std::string most(NGHTTP2_INITIAL_WINDOW_SIZE, 'x');
  SECTION("on a stream") {
    Http2Peer peer(answer(1) + data(1, most) + data(1, "x"));
    Http2Client client = peer.client();
    client.open_window(0, 100);
    CHECK_THROWS_WITH(client.expect_closed(), Catch::Matchers::ContainsSubstring("window of the stream"));
    CHECK(client.window(1) == 0);
    CHECK(client.window(0) == 100);
  }
  SECTION("on the connection") {
    Http2Peer peer(answer(1) + data(1, most) + data(1, "x"));
    Http2Client client = peer.client();
    client.open_window(1, 100);
    CHECK_THROWS_WITH(client.expect_closed(), Catch::Matchers::ContainsSubstring("window of the connection"));
  }
  SECTION("by itself, when it is told to") {
    Http2Peer peer(answer(1) + data(1, most) + data(1, most) + data(1, "x", NGHTTP2_FLAG_END_STREAM));
    Http2Client client = peer.client();
    client.keep_windows_open();
    CHECK(client.read_body(1) == most + most + "x");
  }
  SECTION("with a smaller window, once the server knows of it") {
    const std::string acknowledged = http2_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");
    Http2Peer peer(answer(1) + data(1, "abc") + acknowledged + data(1, "d"));
    Http2Client client = peer.client();
    client.change_settings({{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 2}});
    client.read_acknowledgement();
    CHECK(client.window(1) == -1);
    CHECK_THROWS_WITH(client.expect_closed(), Catch::Matchers::ContainsSubstring("window of the stream"));
  }
}
