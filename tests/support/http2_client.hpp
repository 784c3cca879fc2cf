// A client of HTTP/2 that does no more than the test says: frames and fields written by hand, also those that are not
// allowed, over whatever carries bytes. What comes is read frame by frame and taken amiss where RFC 9113 forbids it.
//
//   Http2Client client(port);
//   const std::uint32_t stream = client.get("/healthz");
//   CHECK(client.read_head(stream).status == 200);
//   CHECK(client.read_body(stream) == "ok");
//
//   Http2Client secure(std::make_unique<Client>(connect_by_tls(port, {.protocols = {"h2"}})));
//
// Types, flags, settings and codes are the constants of nghttp2, whose decoder reads the fields that come; nothing else
// of nghttp2 is used. Everything throws `Failure` when the other side does not do its part in time.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/wire/detail/quote.hpp>
#include "support/client.hpp"

namespace spate::test {

using Http2Fields = std::vector<std::pair<std::string, std::string>>;
using Http2Settings = std::vector<std::pair<std::uint16_t, std::uint32_t>>;

struct Http2Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;
};

struct Http2Goaway {
  std::uint32_t last_stream = 0;
  std::uint32_t code = 0;
  std::string debug;
};

inline std::string big_endian(std::uint64_t value, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t at = size; at > 0; value >>= 8) bytes[--at] = static_cast<char>(value & 0xff);
  return bytes;
}
inline std::uint32_t number_at(std::string_view bytes, std::size_t at, std::size_t size = 4) {
  if (bytes.size() < at + size) throw Failure("a frame is too short: " + detail::quote(bytes));
  std::uint32_t value = 0;
  for (std::size_t end = at + size; at < end; ++at) value = value << 8 | static_cast<unsigned char>(bytes[at]);
  return value;
}

/// A frame as bytes. (RFC 9113 4.1)
inline std::string http2_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
  std::string bytes = big_endian(payload.size(), 3);
  bytes += static_cast<char>(type);
  bytes += static_cast<char>(flags);
  bytes += big_endian(stream, 4);
  return bytes.append(payload);
}

/// A field as a literal that is not indexed, exactly as given, without Huffman code. (RFC 7541 6.2.2)
inline std::string http2_literal(std::string_view name, std::string_view value) {
  std::string bytes(1, '\0');
  for (const std::string_view text : {name, value}) {
    // An integer with a prefix of 7 bits. (RFC 7541 5.1)
    std::size_t rest = text.size();
    bytes += static_cast<char>(std::min<std::size_t>(rest, 127));
    if (rest >= 127) {
      for (rest -= 127; rest >= 128; rest /= 128) bytes += static_cast<char>(128 | rest % 128);
      bytes += static_cast<char>(rest);
    }
    bytes += text;
  }
  return bytes;
}
inline std::string http2_block(const Http2Fields& fields) {
  std::string block;
  for (const auto& [name, value] : fields) block += http2_literal(name, value);
  return block;
}
inline std::string http2_settings(const Http2Settings& settings) {
  std::string payload;
  for (const auto& [name, value] : settings) payload += big_endian(name, 2) + big_endian(value, 4);
  return payload;
}

class Http2Client {
 public:
  /// Connects to 127.0.0.1 without TLS, and both sides greet each other.
  explicit Http2Client(std::uint16_t port, const Http2Settings& settings = {})
      : Http2Client(std::make_unique<Client>(port), settings) {}
  /// The same over what carries bytes.
  explicit Http2Client(std::unique_ptr<Client> bytes, const Http2Settings& settings = {})
      : Http2Client(silent(std::move(bytes))) {
    greet(settings);
  }
  /// Says nothing by itself, not even a greeting.
  static Http2Client silent(std::unique_ptr<Client> bytes) { return Http2Client(Silent{}, std::move(bytes)); }

  /// Sends the preface and `settings`, and waits until both sides have acknowledged the other's.
  void greet(const Http2Settings& settings = {}) {
    send(NGHTTP2_CLIENT_MAGIC);
    change_settings(settings);
    const Http2Frame first = next_frame();
    if (first.type != NGHTTP2_SETTINGS || first.flags != 0) throw Failure("the server's preface is no SETTINGS");
    send_frame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0);
    read_acknowledgement();
  }

  Client& bytes() noexcept { return *bytes_; }
  /// Sends bytes, whatever they are.
  void send(std::string_view bytes) { bytes_->send(bytes); }
  void send_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload = {}) {
    send(http2_frame(type, flags, stream, payload));
  }

  /// Asks for `path`, with `fields` behind the usual ones. Returns the stream.
  std::uint32_t get(std::string_view path, const Http2Fields& fields = {}) { return request("GET", path, fields); }
  /// A whole request without a body.
  std::uint32_t request(std::string_view method, std::string_view path, const Http2Fields& fields = {}) {
    return send_fields(usual(method, path, fields), NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM);
  }
  /// A request whose body is to come, by send_data.
  std::uint32_t begin(std::string_view method, std::string_view path, const Http2Fields& fields = {}) {
    return send_fields(usual(method, path, fields), NGHTTP2_FLAG_END_HEADERS);
  }
  /// HEADERS with these fields and no others, on a stream of their own.
  std::uint32_t send_fields(const Http2Fields& fields, std::uint8_t flags) {
    const std::uint32_t stream = new_stream();
    send_frame(NGHTTP2_HEADERS, flags, stream, http2_block(fields));
    return stream;
  }
  /// The next stream that a client may open.
  std::uint32_t new_stream() { return std::exchange(next_stream_, next_stream_ + 2); }
  void send_data(std::uint32_t stream, std::string_view data, bool last = false) {
    send_frame(NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE, stream, data);
  }
  void reset(std::uint32_t stream, std::uint32_t code = NGHTTP2_CANCEL) {
    send_frame(NGHTTP2_RST_STREAM, 0, stream, big_endian(code, 4));
  }
  /// Sends SETTINGS. A window that they make larger holds at once, one that they make smaller when they are
  /// acknowledged.
  void change_settings(const Http2Settings& settings) {
    std::int64_t window = initial_window_;
    for (const auto& [name, value] : settings) {
      if (name == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) window = value;
    }
    if (window > initial_window_) change_initial_window(window);
    windows_to_come_.push_back(window);
    send_frame(NGHTTP2_SETTINGS, 0, 0, http2_settings(settings));
  }
  /// Allows `size` more bytes of data on `stream`, or with 0 on the connection.
  void open_window(std::uint32_t stream, std::uint32_t size) {
    (stream == 0 ? window_ : stream_of(stream).window) += size;
    send_frame(NGHTTP2_WINDOW_UPDATE, 0, stream, big_endian(size, 4));
  }
  /// From now on each frame of data is given back to both windows as soon as it was read.
  void keep_windows_open() { keep_windows_open_ = true; }

  /// The next frame, of whatever type; what it says of its stream is noted. Throws at the end of the connection.
  Http2Frame next_frame() {
    std::optional<Http2Frame> frame = frame_or_end();
    if (!frame) throw Failure("the connection ended" + told_before());
    return *std::move(frame);
  }
  /// The same; nothing at the end, before which there may be no part of a frame.
  std::optional<Http2Frame> frame_or_end() {
    if (bytes_->unread().empty() && !bytes_->read_more()) return std::nullopt;
    const std::string head = bytes_->read_exactly(9);
    Http2Frame frame;
    frame.type = static_cast<std::uint8_t>(head[3]);
    frame.flags = static_cast<std::uint8_t>(head[4]);
    frame.stream = number_at(head, 5);
    frame.payload = bytes_->read_exactly(number_at(head, 0, 3));
    note(frame);
    return frame;
  }

  /// The head of the answer on `stream`. Throws when the stream is reset before.
  const Head& read_head(std::uint32_t stream) {
    read_while(stream, [](const Stream& one) { return one.head.status < 200; });
    return stream_of(stream).head;
  }
  /// Takes the data of `stream` up to `mark`, and that as well.
  std::string read_data_until(std::uint32_t stream, std::string_view mark) {
    read_while(stream, [&](const Stream& one) { return one.data.find(mark) == std::string::npos; });
    return take(stream, stream_of(stream).data.find(mark) + mark.size());
  }
  std::string read_data(std::uint32_t stream, std::size_t size) {
    read_while(stream, [&](const Stream& one) { return one.data.size() < size; });
    return take(stream, size);
  }
  /// All data that are left, to the end of the stream in order.
  std::string read_body(std::uint32_t stream) {
    while (!stream_of(stream).ended) {
      require_open(stream);
      next_frame();
    }
    return take(stream, stream_of(stream).data.size());
  }
  const Http2Fields& trailers(std::uint32_t stream) { return stream_of(stream).trailers; }
  /// What has come on `stream` and was not taken.
  const std::string& unread(std::uint32_t stream) { return stream_of(stream).data; }
  bool ended(std::uint32_t stream) { return stream_of(stream).ended; }
  bool was_reset(std::uint32_t stream) { return stream_of(stream).reset.has_value(); }

  /// Waits until `stream` is reset, and requires that it is with `code`.
  void expect_reset(std::uint32_t stream, std::uint32_t code) {
    while (!stream_of(stream).reset) next_frame();
    if (const std::uint32_t found = *stream_of(stream).reset; found != code) {
      throw Failure("the stream was reset with " + name_of(found) + " instead of " + name_of(code));
    }
  }
  /// Waits for GOAWAY, and requires that it has `code`. The connection may still be open.
  Http2Goaway expect_goaway(std::uint32_t code) {
    while (goaways_.empty()) next_frame();
    Http2Goaway goaway = std::move(goaways_.front());
    goaways_.pop_front();
    if (goaway.code != code) {
      throw Failure("GOAWAY with " + name_of(goaway.code) + " instead of " + name_of(code) + ": " +
                    detail::quote(goaway.debug));
    }
    return goaway;
  }
  /// Waits for the end of the connection, whatever comes before.
  End expect_closed() {
    while (frame_or_end()) continue;
    return bytes_->how_ended();
  }
  /// GOAWAY with `code`, and then the end.
  void expect_connection_error(std::uint32_t code) {
    expect_goaway(code);
    expect_closed();
  }

  void ping(std::string_view payload = "12345678") { send_frame(NGHTTP2_PING, 0, 0, payload); }
  /// Waits until the server has dealt with all frames sent before. Throws when the connection ends meanwhile.
  void wait_for_pong() {
    const std::string payload = big_endian(++pings_, 8);
    ping(payload);
    for (;;) {
      const Http2Frame frame = next_frame();
      if (frame.type == NGHTTP2_PING && frame.flags == NGHTTP2_FLAG_ACK && frame.payload == payload) return;
    }
  }
  /// Waits until all SETTINGS that were sent are acknowledged.
  void read_acknowledgement() {
    while (!windows_to_come_.empty()) next_frame();
  }
  /// The server's setting `name`, if it has said any.
  std::optional<std::uint32_t> setting(std::uint16_t name) const {
    const auto found = settings_.find(name);
    return found == settings_.end() ? std::nullopt : std::optional(found->second);
  }
  /// How much data the server may send now.
  std::int64_t window(std::uint32_t stream) { return stream == 0 ? window_ : stream_of(stream).window; }

 private:
  struct Silent {};
  struct FreeInflater {
    void operator()(nghttp2_hd_inflater* inflater) const { ::nghttp2_hd_inflate_del(inflater); }
  };
  struct Stream {
    Head head;
    Http2Fields trailers;
    std::string data;
    bool ended = false;
    std::optional<std::uint32_t> reset;
    std::int64_t window = 0;
  };

  Http2Client(Silent, std::unique_ptr<Client> bytes) : bytes_(std::move(bytes)) {
    nghttp2_hd_inflater* inflater = nullptr;
    if (::nghttp2_hd_inflate_new(&inflater) != 0) throw Failure("no memory for a decoder");
    inflater_.reset(inflater);
  }

  Http2Fields usual(std::string_view method, std::string_view path, const Http2Fields& more) const {
    Http2Fields fields{{":method", std::string(method)},
                       {":scheme", std::string(bytes_->scheme())},
                       {":authority", "localhost"},
                       {":path", std::string(path)}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  }
  static std::string name_of(std::uint32_t code) { return ::nghttp2_http2_strerror(code); }
  std::string told_before() const { return goaways_.empty() ? "" : ", after GOAWAY " + name_of(goaways_.back().code); }

  Stream& stream_of(std::uint32_t stream) {
    const auto [found, is_new] = streams_.try_emplace(stream);
    if (is_new) found->second.window = initial_window_;
    return found->second;
  }
  std::string take(std::uint32_t stream, std::size_t size) {
    std::string& data = stream_of(stream).data;
    std::string taken = data.substr(0, size);
    data.erase(0, size);
    return taken;
  }
  void require_open(std::uint32_t stream) {
    const Stream& one = stream_of(stream);
    if (one.reset) throw Failure("the stream was reset with " + name_of(*one.reset));
  }
  template <typename Condition>
  void read_while(std::uint32_t stream, Condition&& condition) {
    while (condition(stream_of(stream))) {
      require_open(stream);
      if (stream_of(stream).ended) throw Failure("the stream ended after " + detail::quote(stream_of(stream).data));
      next_frame();
    }
  }
  void change_initial_window(std::int64_t window) {
    for (auto& [id, stream] : streams_) stream.window += window - initial_window_;
    initial_window_ = window;
  }

  static void forbid(bool wrong, const char* what) {
    if (wrong) throw Failure(what);
  }

  void note(const Http2Frame& frame) {
    forbid(block_stream_ != 0 && (frame.type != NGHTTP2_CONTINUATION || frame.stream != block_stream_),
           "a header block is interrupted (RFC 9113 6.10)");
    switch (frame.type) {
      case NGHTTP2_HEADERS:
        block_stream_ = frame.stream;
        block_ends_stream_ = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        block_ = without_padding(frame);
        if (frame.flags & NGHTTP2_FLAG_PRIORITY) block_.erase(0, 5);
        if (frame.flags & NGHTTP2_FLAG_END_HEADERS) note_block();
        break;
      case NGHTTP2_CONTINUATION:
        forbid(block_stream_ == 0, "CONTINUATION of nothing (RFC 9113 6.10)");
        block_ += frame.payload;
        if (frame.flags & NGHTTP2_FLAG_END_HEADERS) note_block();
        break;
      case NGHTTP2_DATA: note_data(frame); break;
      case NGHTTP2_RST_STREAM: stream_of(frame.stream).reset = number_at(frame.payload, 0); break;
      case NGHTTP2_SETTINGS: note_settings(frame); break;
      case NGHTTP2_GOAWAY:
        goaways_.push_back({number_at(frame.payload, 0), number_at(frame.payload, 4), frame.payload.substr(8)});
        break;
      default: break;
    }
  }

  static std::string without_padding(const Http2Frame& frame) {
    if (!(frame.flags & NGHTTP2_FLAG_PADDED)) return frame.payload;
    const std::size_t padding = number_at(frame.payload, 0, 1);
    forbid(padding >= frame.payload.size(), "padding longer than its frame (RFC 9113 6.1)");
    return frame.payload.substr(1, frame.payload.size() - padding - 1);
  }

  void note_data(const Http2Frame& frame) {
    Stream& stream = stream_of(frame.stream);
    forbid(stream.head.status < 200, "DATA before the head of the answer (RFC 9113 8.1)");
    forbid(stream.ended, "DATA behind the end of the stream (RFC 9113 5.1)");
    const auto size = static_cast<std::int64_t>(frame.payload.size());
    forbid(size > stream.window, "more DATA than the window of the stream allows (RFC 9113 6.9.1)");
    forbid(size > window_, "more DATA than the window of the connection allows (RFC 9113 6.9.1)");
    stream.window -= size;
    window_ -= size;
    stream.data += without_padding(frame);
    stream.ended = (frame.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (keep_windows_open_ && size > 0) {
      open_window(0, static_cast<std::uint32_t>(size));
      if (!stream.ended) open_window(frame.stream, static_cast<std::uint32_t>(size));
    }
  }

  void note_settings(const Http2Frame& frame) {
    if (frame.flags & NGHTTP2_FLAG_ACK) {
      forbid(windows_to_come_.empty(), "an acknowledgement of nothing (RFC 9113 6.5.3)");
      change_initial_window(windows_to_come_.front());
      windows_to_come_.pop_front();
      return;
    }
    for (std::size_t at = 0; at < frame.payload.size(); at += 6) {
      settings_[static_cast<std::uint16_t>(number_at(frame.payload, at, 2))] = number_at(frame.payload, at + 2);
    }
  }

  void note_block() {
    Stream& stream = stream_of(std::exchange(block_stream_, 0));
    const Http2Fields fields = decoded(block_);
    forbid(stream.ended, "HEADERS behind the end of the stream (RFC 9113 5.1)");
    for (const auto& [name, value] : fields) {
      forbid(std::any_of(name.begin(), name.end(), [](char letter) { return letter >= 'A' && letter <= 'Z'; }),
             "a name in capital letters (RFC 9113 8.2.1)");
      forbid(value.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos,
             "a line end in a value (RFC 9113 8.2.1)");
      for (const char* of_http_1 : {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}) {
        forbid(name == of_http_1, "a field of HTTP/1.1 (RFC 9113 8.2.2)");
      }
    }
    if (stream.head.status >= 200) {
      forbid(!block_ends_stream_, "trailers that do not end the stream (RFC 9113 8.1)");
      stream.trailers = fields;
    } else {
      forbid(fields.empty() || fields.front().first != ":status", "no status in front (RFC 9113 8.3.2)");
      stream.head.status = std::stoi(fields.front().second);
      stream.head.status_line = fields.front().second;
      stream.head.fields.assign(fields.begin() + 1, fields.end());
    }
    stream.ended = block_ends_stream_;
  }

  Http2Fields decoded(std::string_view block) {
    Http2Fields fields;
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    const std::uint8_t* end = at + block.size();
    for (;;) {
      nghttp2_nv field{};
      int flags = 0;
      const auto size =
          ::nghttp2_hd_inflate_hd2(inflater_.get(), &field, &flags, at, static_cast<std::size_t>(end - at), 1);
      if (size < 0) throw Failure("a header block cannot be decoded (RFC 9113 4.3)");
      at += size;
      if (flags & NGHTTP2_HD_INFLATE_EMIT) {
        fields.emplace_back(std::string(reinterpret_cast<const char*>(field.name), field.namelen),
                            std::string(reinterpret_cast<const char*>(field.value), field.valuelen));
      }
      if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
    }
    ::nghttp2_hd_inflate_end_headers(inflater_.get());
    return fields;
  }

  std::unique_ptr<Client> bytes_;
  std::unique_ptr<nghttp2_hd_inflater, FreeInflater> inflater_;
  std::uint32_t next_stream_ = 1;
  std::uint64_t pings_ = 0;
  std::map<std::uint32_t, Stream> streams_;
  std::map<std::uint16_t, std::uint32_t> settings_;
  std::deque<Http2Goaway> goaways_;
  // What the server may send, by the windows that it was told of.
  std::int64_t window_ = NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE;
  std::int64_t initial_window_ = NGHTTP2_INITIAL_WINDOW_SIZE;
  std::deque<std::int64_t> windows_to_come_;  // of each SETTINGS that was not acknowledged
  bool keep_windows_open_ = false;
  // The header block that has begun and not ended.
  std::uint32_t block_stream_ = 0;
  bool block_ends_stream_ = false;
  std::string block_;
};

}  // namespace spate::test
