// HTTP/2 for the client: requests are written and frames are read by hand, so that a delivery costs little here; only
// the heads of answers are decoded by nghttp2. Windows are opened once, as wide as they go.
//
//   Http2Connection connection(std::move(transport));
//   const std::uint32_t stream = connection.get("/sse/subscribe/user", "");
//   connection.flush();
//   connection.receive(buffer, size, handler);   // handler.head(stream, status), .data(stream, bytes), .end(stream)
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "client/tls.hpp"

#if SPATE_BENCHMARK_HTTP2
#include <nghttp2/nghttp2.h>
#endif

namespace bench {

/// Decodes header blocks, all of one connection in their order, and tells what the status was.
class StatusReader {
 public:
#if SPATE_BENCHMARK_HTTP2
  StatusReader() {
    if (nghttp2_hd_inflate_new(&inflater_) != 0) throw Failure("nghttp2 gives no inflater");
  }
  ~StatusReader() { nghttp2_hd_inflate_del(inflater_); }
  StatusReader(const StatusReader&) = delete;
  StatusReader& operator=(const StatusReader&) = delete;

  /// 0: the block has none, as trailers have not.
  int read(std::string_view block) {
    int status = 0;
    const auto* at = reinterpret_cast<const std::uint8_t*>(block.data());
    const auto* const end = at + block.size();
    for (;;) {
      nghttp2_nv field;
      int flags = 0;
      const ssize_t n = nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, static_cast<std::size_t>(end - at), 1);
      if (n < 0) throw Failure("a head cannot be decoded");
      at += n;
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        const std::string_view name(reinterpret_cast<const char*>(field.name), field.namelen);
        if (name == ":status") status = std::atoi(reinterpret_cast<const char*>(field.value));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return status;
  }

 private:
  nghttp2_hd_inflater* inflater_ = nullptr;
#else
  StatusReader() { throw Failure("this client was built without nghttp2"); }
  int read(std::string_view) const { return 0; }
#endif
};

class Http2Connection {
 public:
  explicit Http2Connection(Transport transport) : transport_(std::move(transport)) {
    out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    frame(type_settings, 0, 0, setting(setting_initial_window, widest_window) + setting(setting_enable_push, 0));
    frame(type_window_update, 0, 0, number(widest_window - default_window));
  }

  Transport& transport() noexcept { return transport_; }

  /// Begins a stream and says its number; `flush` sends the request.
  std::uint32_t get(std::string_view path, std::string_view last_event_id) {
    std::string block = method_get + own_fields(path);
    block += literal("accept", "text/event-stream");
    if (!last_event_id.empty()) block += literal("last-event-id", last_event_id);
    frame(type_headers, flag_end_headers | flag_end_stream, next_stream_, block);
    return next_stream();
  }

  /// The same with a body; the one before must have been sent to its end.
  std::uint32_t post(std::string_view path, std::string_view body) {
    const std::string block = method_post + own_fields(path) + literal("content-type", "text/plain") +
                              literal("content-length", std::to_string(body.size()));
    frame(type_headers, flag_end_headers, next_stream_, block);
    body_ = body;
    body_stream_ = next_stream_;
    body_window_ = initial_window_;
    send_body();
    return next_stream();
  }

  void cancel(std::uint32_t stream) { frame(type_reset, 0, stream, number(error_cancel)); }

  /// Writes what is to be written; false when something is left.
  bool flush() {
    while (sent_ < out_.size()) {
      const ssize_t n = transport_.write(out_.data() + sent_, out_.size() - sent_);
      if (n < 0) {
        if (errno == EAGAIN || errno == ENOTCONN) return false;
        throw system_failure("writing to an HTTP/2 connection");
      }
      sent_ += static_cast<std::size_t>(n);
    }
    out_.clear();
    sent_ = 0;
    return true;
  }

  /// What to wait for now.
  std::uint32_t waits_for() const noexcept { return out_.empty() ? EPOLLIN : EPOLLIN | transport_.waits_for(); }

  /// Reads once and tells what came; then writes what that asks for. The bytes that were read: 0 when the connection
  /// has ended, -1 when there were none.
  template <typename Handler>
  ssize_t receive(char* buffer, std::size_t size, Handler&& handler) {
    const ssize_t n = transport_.read(buffer, size);
    if (n < 0 && errno != EAGAIN) return 0;
    if (n > 0) {
      if (!checked_ && transport_.tls() && transport_.tls().protocol() != "h2") {
        throw Failure("the server does not speak HTTP/2");
      }
      checked_ = true;
      std::string_view bytes(buffer, static_cast<std::size_t>(n));
      if (in_.empty()) {
        bytes.remove_prefix(frames(bytes, handler));
        in_ = bytes;
      } else {
        in_.append(bytes);
        in_.erase(0, frames(in_, handler));
      }
    }
    // Even when nothing came: TLS may have finished its handshake by that.
    if (n != 0) flush();
    if (n < 0) errno = EAGAIN;
    return n;
  }

 private:
  // RFC 9113 6, 6.5.2 and 7
  static constexpr std::uint8_t type_data = 0, type_headers = 1, type_reset = 3, type_settings = 4, type_ping = 6;
  static constexpr std::uint8_t type_goaway = 7, type_window_update = 8, type_continuation = 9;
  static constexpr std::uint8_t flag_end_stream = 1, flag_ack = 1, flag_end_headers = 4, flag_padded = 8;
  static constexpr std::uint8_t flag_priority = 32;
  static constexpr std::uint16_t setting_enable_push = 2, setting_initial_window = 4;
  static constexpr std::uint32_t error_cancel = 8;
  static constexpr std::uint32_t widest_window = 0x7FFFFFFF, default_window = 65535;
  static constexpr std::size_t frame_head = 9, largest_frame = 16384;

  // Indexed fields of the static table. (RFC 7541 A)
  static inline const std::string method_get{"\x82", 1}, method_post{"\x83", 1};

  static std::string number(std::uint32_t value, int bytes = 4) {
    std::string text;
    for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i));
    return text;
  }
  static std::uint32_t number_at(std::string_view text, std::size_t at, std::size_t bytes = 4) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<unsigned char>(text[at + i]);
    return value;
  }
  static std::string setting(std::uint16_t id, std::uint32_t value) { return number(id, 2) + number(value); }

  // A string without Huffman's code: its length with a prefix of seven bits, and itself. (RFC 7541 5.1 and 5.2)
  static std::string counted(std::string_view text) {
    std::string out;
    if (text.size() < 127) {
      out += static_cast<char>(text.size());
    } else {
      out += '\x7F';
      std::size_t rest = text.size() - 127;
      for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
      out += static_cast<char>(rest);
    }
    return out.append(text);
  }
  // A literal field without indexing, with a new name. (RFC 7541 6.2.2)
  static std::string literal(std::string_view name, std::string_view value) {
    return std::string(1, '\0') + counted(name) + counted(value);
  }
  std::string own_fields(std::string_view path) const {
    return (transport_.tls() ? "\x87" : "\x86") + literal(":path", path) + literal(":authority", "127.0.0.1");
  }

  std::uint32_t next_stream() noexcept { return std::exchange(next_stream_, next_stream_ + 2); }

  void frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload) {
    out_.append(number(static_cast<std::uint32_t>(payload.size()), 3)).append(1, static_cast<char>(type));
    out_.append(1, static_cast<char>(flags)).append(number(stream)).append(payload);
  }

  // As much of the body as the windows let through.
  void send_body() {
    while (!body_.empty()) {
      const std::int64_t window = std::min(window_, body_window_);
      if (window <= 0) return;
      const std::size_t size = std::min({body_.size(), largest_frame, static_cast<std::size_t>(window)});
      const bool last = size == body_.size();
      frame(type_data, last ? flag_end_stream : std::uint8_t{0}, body_stream_, std::string_view(body_).substr(0, size));
      window_ -= static_cast<std::int64_t>(size);
      body_window_ -= static_cast<std::int64_t>(size);
      body_.erase(0, size);
    }
  }

  template <typename Handler>
  std::size_t frames(std::string_view bytes, Handler& handler) {
    std::size_t at = 0;
    while (bytes.size() - at >= frame_head) {
      const std::size_t size = number_at(bytes, at, 3);
      if (bytes.size() - at < frame_head + size) break;
      const auto type = static_cast<std::uint8_t>(bytes[at + 3]), flags = static_cast<std::uint8_t>(bytes[at + 4]);
      one_frame(type, flags, number_at(bytes, at + 5) & 0x7FFFFFFF, bytes.substr(at + frame_head, size), handler);
      at += frame_head + size;
    }
    return at;
  }

  template <typename Handler>
  void one_frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, std::string_view payload,
                 Handler& handler) {
    switch (type) {
      case type_data:
        taken(static_cast<std::uint32_t>(payload.size()));
        if ((flags & flag_padded) != 0) payload = without_padding(payload);
        if (!payload.empty()) handler.data(stream, payload);
        if ((flags & flag_end_stream) != 0) handler.end(stream);
        break;
      case type_headers:
        if ((flags & flag_padded) != 0) payload = without_padding(payload);
        if ((flags & flag_priority) != 0) payload.remove_prefix(std::min<std::size_t>(5, payload.size()));
        block_ = payload;
        block_ends_stream_ = (flags & flag_end_stream) != 0;
        if ((flags & flag_end_headers) != 0) head(stream, handler);
        break;
      case type_continuation:
        block_.append(payload);
        if ((flags & flag_end_headers) != 0) head(stream, handler);
        break;
      case type_reset: handler.end(stream); break;
      case type_settings:
        if ((flags & flag_ack) == 0) settings(payload);
        break;
      case type_ping:
        if ((flags & flag_ack) == 0) frame(type_ping, flag_ack, 0, payload);
        break;
      case type_goaway: goaway(payload); break;
      case type_window_update:
        if (payload.size() < 4) throw Failure("a frame of HTTP/2 is too short");
        if (stream == 0 || stream == body_stream_) {
          (stream == 0 ? window_ : body_window_) += number_at(payload, 0) & 0x7FFFFFFF;
        }
        send_body();
        break;
      default: break;
    }
  }

  static std::string_view without_padding(std::string_view payload) {
    const std::size_t padding = payload.empty() ? 0 : static_cast<unsigned char>(payload[0]);
    if (payload.size() < padding + 1) throw Failure("a frame of HTTP/2 has more padding than it is long");
    return payload.substr(1, payload.size() - 1 - padding);
  }

  template <typename Handler>
  void head(std::uint32_t stream, Handler& handler) {
    const int status = statuses_.read(block_);
    if (status >= 200) handler.head(stream, status);
    if (block_ends_stream_) handler.end(stream);
  }

  void settings(std::string_view payload) {
    for (std::size_t at = 0; at + 6 <= payload.size(); at += 6) {
      if (number_at(payload, at, 2) != setting_initial_window) continue;
      body_window_ += std::int64_t{number_at(payload, at + 2)} - initial_window_;
      initial_window_ = number_at(payload, at + 2);
    }
    frame(type_settings, flag_ack, 0, {});
    send_body();
  }

  static void goaway(std::string_view payload) {
    if (payload.size() < 8) throw Failure("a frame of HTTP/2 is too short");
    const std::uint32_t error = number_at(payload, 4);
    if (error != 0) throw Failure("the server ended an HTTP/2 connection with error " + std::to_string(error));
  }

  // Opens the connection's window again when half of it is used up; a stream's lasts for as long as a run does.
  void taken(std::uint32_t size) {
    taken_ += size;
    if (taken_ < widest_window / 2) return;
    frame(type_window_update, 0, 0, number(taken_));
    taken_ = 0;
  }

  Transport transport_;
  StatusReader statuses_;
  bool checked_ = false, block_ends_stream_ = false;
  std::uint32_t next_stream_ = 1, body_stream_ = 0, taken_ = 0;
  std::int64_t window_ = default_window, initial_window_ = default_window, body_window_ = 0;
  std::size_t sent_ = 0;
  std::string out_, in_, block_, body_;
};

}  // namespace bench
