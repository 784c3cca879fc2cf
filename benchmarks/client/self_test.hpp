// Tests of the client's own parts, because a yardstick that lies measures nothing.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "client/histogram.hpp"
#include "client/http2.hpp"
#include "client/payload.hpp"
#include "client/sequence_check.hpp"
#include "client/stream_parser.hpp"
#include "client/tls.hpp"

namespace bench {

class SelfTest {
 public:
  bool run() {
    payload();
    histogram();
    sequence();
    parser();
#if SPATE_BENCHMARK_HTTP2
    http2();
    http2_windows();
    http2_ends();
#endif
    std::printf("%d passed, %d failed\n", passed_, failed_);
    return failed_ == 0;
  }

 private:
  void check(bool ok, const std::string& what) {
    ++(ok ? passed_ : failed_);
    if (!ok) std::printf("FAILED: %s\n", what.c_str());
  }

  static std::string data(std::uint16_t publisher, std::uint32_t sequence, std::uint64_t time, std::size_t size = 40) {
    Payload payload;
    payload.publisher = publisher;
    payload.sequence = sequence;
    payload.sent_at = time;
    std::string text(size, 'x');
    payload.encode(text.data());
    return text;
  }

  void payload() {
    for (const std::uint64_t time : {std::uint64_t{0}, std::uint64_t{0x0123456789ABCDEF}, ~std::uint64_t{0}}) {
      for (const std::uint32_t sequence : {0u, 1u, 0x89ABCDEFu, ~0u}) {
        const std::string text = data(0xBEEF, sequence, time);
        Payload back;
        check(Payload::decode(text, back) && back.publisher == 0xBEEF && back.sequence == sequence &&
                  back.sent_at == time,
              "a payload reads back as written");
      }
    }
    std::string text = data(1, 2, 3);
    Payload back;
    for (std::size_t i = 0; i < Payload::min_bytes; ++i) {
      std::string broken = text;
      broken[i] = 'z';
      check(!Payload::decode(broken, back), "a payload with a wrong letter is refused");
    }
    check(!Payload::decode(std::string_view(text).substr(0, Payload::min_bytes - 1), back),
          "a short payload is refused");
  }

  void histogram() {
    auto times = std::make_unique<Histogram>();
    for (std::uint64_t i = 1; i <= 100'000; ++i) times->add(i * 1000);
    const auto near = [](std::uint64_t value, double wanted) {
      return std::abs(static_cast<double>(value) - wanted) <= 0.008 * wanted;
    };
    check(near(times->percentile(0.5), 50e6), "the median is right within 0.8 %");
    check(near(times->percentile(0.99), 99e6), "the 99th percentile is right within 0.8 %");
    check(times->max() == 100'000'000, "the maximum is exact");
    times->clear();
    check(times->count() == 0 && times->percentile(0.5) == 0, "a cleared histogram is empty");
  }

  void sequence() {
    const auto verdict = [](std::vector<std::uint32_t> received, std::uint32_t sent) {
      SequenceCheck check(1, 1);
      for (const std::uint32_t sequence : received) check.received(0, 0, sequence);
      const std::uint64_t missing = check.gaps() + check.missing(0, [&](std::size_t) { return sent; });
      return std::to_string(missing) + " " + std::to_string(check.doubled()) + " " +
             std::to_string(check.out_of_order());
    };
    check(verdict({0, 1, 2, 3}, 4) == "0 0 0", "what comes in order is right");
    check(verdict({0, 1, 3}, 4) == "1 0 0", "a hole is one missing");
    check(verdict({0, 1, 2}, 5) == "2 0 0", "what never came at the end is missing");
    check(verdict({0, 1, 1, 2, 3}, 4) == "0 1 0", "a double is told");
    check(verdict({0, 2, 1, 3}, 4) == "0 0 1", "what comes late is out of order, not missing");
    check(verdict({0, 2, 1, 1, 3}, 4) == "0 1 1", "a late one that comes again is a double");
    check(verdict({}, 3) == "3 0 0", "nothing at all is all missing");
    SequenceCheck two(2, 2);
    for (const std::size_t publisher : {0u, 1u}) two.received(0, publisher, 0);
    for (const std::size_t publisher : {1u, 0u}) two.received(1, publisher, 0);
    check(two.order(0) != two.order(1), "two streams that saw two publishers in different orders are told apart");
  }

  struct Seen {
    std::string story;
    void opened(int status) { story += "open " + std::to_string(status) + "\n"; }
    void delivery(const Payload& payload) {
      story += std::to_string(payload.publisher) + "/" + std::to_string(payload.sequence) + "/" +
               std::to_string(payload.sent_at) + "\n";
    }
    void control(StreamParser::Kind kind) { story += "control " + std::to_string(static_cast<int>(kind)) + "\n"; }
    void comment() { story += "comment\n"; }
    void id(std::string_view text) { story += "id " + std::string(text) + "\n"; }
  };

  static std::string chunk(const std::string& text, bool extension = false) {
    char size[32];
    std::snprintf(size, sizeof size, extension ? "%zX;a=b\r\n" : "%zx\r\n", text.size());
    return size + text + "\r\n";
  }

  void parser() {
    const std::string events =
        ":hello\n\nid: 1-0\nevent: connected\ndata: {\"user\":\"a\"}\n\n"
        "id: 1-1\ndata: " +
        data(0, 0, 17) +
        "\n\n"
        "event: message\r\ndata: \"" +
        data(2, 1, 18) +
        "\"\r\nid: 1-2\r\n\r\n"
        "data:" +
        data(0, 2, 19, 300) + "\n\n:\n\nevent: gap\ndata: {}\n\ndata: not ours\n\n";
    const std::string story =
        "open 200\ncomment\nid 1-0\ncontrol 3\nid 1-1\n0/0/17\nid 1-2\n2/1/18\n0/2/19\ncomment\n"
        "control 4\ncontrol 2\n";
    const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    const std::string plain = head + "\r\n" + events;
    const std::string chunked_head = head + "Transfer-Encoding: chunked\r\n\r\n";
    std::vector<std::pair<std::string, std::string>> texts = {{"plain", plain}};
    texts.emplace_back("one chunk", chunked_head + chunk(events) + "0\r\n\r\n");
    texts.emplace_back("chunk extension", chunked_head + chunk(events, true) + "0\r\n\r\n");
    for (const std::size_t size : {1u, 2u, 3u, 7u, 50u}) {
      std::string text = chunked_head;
      for (std::size_t at = 0; at < events.size(); at += size) text += chunk(events.substr(at, size));
      texts.emplace_back("chunks of " + std::to_string(size), text + "0\r\n\r\n");
    }
    for (const auto& [name, text] : texts) {
      for (std::size_t split = 0; split <= text.size(); ++split) {
        check(told(text, split, text.size()) == story, name + ", split at " + std::to_string(split));
      }
      check(told(text, 0, 1) == story, name + ", byte by byte");
    }
    StreamParser parser;
    Seen seen;
    const std::string wrong = chunked_head + "5\r\ndata: 1\r\n";
    parser.feed(wrong.data(), wrong.size(), seen);
    check(parser.broken(), "a chunk that is longer than it says is told");
    check(told("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0, 100) == "open 404\n",
          "another status is told");
  }

  // Each piece is a heap block of its own size, so that a sanitizer sees what reads past its end.
  static std::string told(const std::string& text, std::size_t first, std::size_t step) {
    StreamParser parser;
    Seen seen;
    const auto feed = [&](std::string_view piece) {
      const std::vector<char> block(piece.begin(), piece.end());
      parser.feed(block.data(), block.size(), seen);
    };
    if (first != 0) feed(std::string_view(text).substr(0, first));
    for (std::size_t at = first; at < text.size(); at += step) feed(std::string_view(text).substr(at, step));
    return seen.story;
  }

#if SPATE_BENCHMARK_HTTP2
  // A connection of HTTP/2 whose server is this test.
  struct Http2Peer {
    Http2Peer() {
      int pair[2];
      if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0) throw system_failure("socketpair");
      connection = std::make_unique<Http2Connection>(Transport(pair[0]));
      fd = pair[1];
    }
    ~Http2Peer() { ::close(fd); }

    void head(std::uint32_t stream, int status) { tell(stream, "head " + std::to_string(status)); }
    void data(std::uint32_t stream, std::string_view bytes) { tell(stream, "data " + std::string(bytes)); }
    void end(std::uint32_t stream) { tell(stream, "end"); }
    void tell(std::uint32_t stream, const std::string& what) { story += std::to_string(stream) + " " + what + "\n"; }

    void send(std::string_view bytes) {
      if (::send(fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) throw system_failure("send");
      char buffer[4096];
      while (connection->receive(buffer, sizeof buffer, *this) > 0) continue;
    }
    std::string received() const {
      char buffer[65536];
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      return std::string(buffer, n < 0 ? 0 : static_cast<std::size_t>(n));
    }

    std::unique_ptr<Http2Connection> connection;
    std::string story;
    int fd = -1;
  };

  static std::string number(std::size_t value, int bytes) {
    std::string text;
    for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i));
    return text;
  }
  static std::string frame(int type, int flags, std::size_t stream, const std::string& payload) {
    return number(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) + number(stream, 4) + payload;
  }
  static bool ends_with(const std::string& text, const std::string& end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
  }

  void http2() {
    const std::string indexed_200 = "\x88", literal_202 = std::string("\x08\x03") + "202";
    const std::string answers =
        frame(4, 0, 0, number(3, 2) + number(100, 4)) + frame(4, 1, 0, "") + frame(8, 0, 0, number(1000, 4)) +
        frame(1, 4, 1, indexed_200) + frame(1, 8 | 32, 3, std::string("\x02") + number(0, 5) + "pp") +
        frame(9, 0, 3, literal_202.substr(0, 2)) + frame(9, 4, 3, literal_202.substr(2)) + frame(0, 0, 1, "one") +
        frame(0, 8, 1, std::string("\x03") + "two" + "ppp") + frame(0, 0, 1, "") + frame(6, 0, 0, "pingping") +
        frame(0xAA, 0, 1, "unknown") + frame(0, 1, 3, "last") + frame(3, 0, 1, number(8, 4));
    const std::string story = "1 head 200\n3 head 202\n1 data one\n1 data two\n3 data last\n3 end\n1 end\n";
    const auto told = [&](std::size_t first, std::size_t step) {
      Http2Peer peer;
      if (first != 0) peer.send(std::string_view(answers).substr(0, first));
      for (std::size_t at = first; at < answers.size(); at += step) {
        peer.send(std::string_view(answers).substr(at, step));
      }
      check(ends_with(peer.received(), frame(4, 1, 0, "") + frame(6, 1, 0, "pingping")),
            "settings and pings are acknowledged");
      return peer.story;
    };
    for (std::size_t split = 0; split < answers.size(); ++split) {
      check(told(split, answers.size()) == story, "frames of HTTP/2, split at " + std::to_string(split));
    }
    check(told(0, 1) == story, "frames of HTTP/2, byte by byte");
  }

  void http2_windows() {
    Http2Peer peer;
    peer.send(frame(4, 0, 0, number(4, 2) + number(100, 4)));
    peer.received();
    const std::string body(250, 'b');
    const std::uint32_t stream = peer.connection->post("/sse/broadcast", body);
    peer.connection->flush();
    check(ends_with(peer.received(), frame(0, 0, stream, body.substr(0, 100))), "a body ends where its window does");
    peer.send(frame(8, 0, stream + 2, number(50, 4)));
    check(peer.received().empty(), "another stream's window is not taken for it");
    peer.send(frame(8, 0, stream, number(50, 4)));
    check(peer.received() == frame(0, 0, stream, body.substr(0, 50)), "and goes on as far as it is opened");
    peer.send(frame(4, 0, 0, number(4, 2) + number(200, 4)));
    check(ends_with(peer.received(), frame(0, 1, stream, body.substr(0, 100))), "or as settings widen it, to its end");
  }

  void http2_ends() {
    const auto failure = [](const std::string& bytes) {
      try {
        Http2Peer peer;
        peer.send(bytes);
        return std::string("none");
      } catch (const Failure& wrong) {
        return std::string(wrong.what());
      }
    };
    check(failure(frame(7, 0, 0, number(1, 4) + number(0, 4))) == "none", "a server may say goodbye");
    check(failure(frame(7, 0, 0, number(1, 4) + number(11, 4))).find("error 11") != std::string::npos,
          "but not in anger");
    check(failure(frame(1, 4, 1, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")) == "a head cannot be decoded",
          "a broken head is told");
    check(failure(frame(0, 8, 1,
                        "\x09"
                        "xx"))
                  .find("padding") != std::string::npos,
          "too much padding is told");
  }
#endif

  int passed_ = 0, failed_ = 0;
};

inline bool self_test() {
  return SelfTest().run();
}

}  // namespace bench
