// A client of HTTP/2 that says exactly what the test wants, also what no client should, and understands what it is
// told. It is a value without I/O: bytes out, bytes in.
//
//   HeldHttp2Client client;
//   send(client.hello() + client.get(1, "/hello"));
//   client.hear(received);
//   client.at(1).body;   // "hello"
//
// Heads are literal fields, so that none depends on another. It gives no room to send by itself, and acknowledges
// nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace spate::test {

class HeldHttp2Client {
 public:
  using Stream = std::int32_t;
  using Fields = std::vector<std::pair<std::string, std::string>>;
  static constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  static constexpr std::uint8_t end_stream = NGHTTP2_FLAG_END_STREAM;
  static constexpr std::uint8_t end_headers = NGHTTP2_FLAG_END_HEADERS;

  /// What became of one request.
  struct Answer {
    int status = 0;
    std::vector<int> interim;  // statuses before it
    std::map<std::string, std::string> fields;
    std::string body;
    std::size_t pieces = 0;  // frames of data with something in them
    bool ended = false;      // END_STREAM
    std::optional<std::uint32_t> reset;
  };

  HeldHttp2Client() {
    if (nghttp2_hd_inflate_new(&inflater_) != 0) throw std::bad_alloc();
  }
  HeldHttp2Client(const HeldHttp2Client&) = delete;
  HeldHttp2Client& operator=(const HeldHttp2Client&) = delete;
  ~HeldHttp2Client() { nghttp2_hd_inflate_del(inflater_); }

  // ---- what it says ----

  static std::string frame(std::uint8_t type, std::uint8_t flags, Stream stream, std::string_view payload = {}) {
    std::string bytes = number(static_cast<std::uint32_t>(payload.size()), 3);
    bytes += static_cast<char>(type);
    bytes += static_cast<char>(flags);
    bytes += number(static_cast<std::uint32_t>(stream), 4);
    return bytes.append(payload);
  }
  static std::string number(std::uint32_t value, int size) {
    std::string bytes;
    while (size-- > 0) bytes += static_cast<char>(value >> (8 * size) & 0xFF);
    return bytes;
  }

  static std::string settings(std::uint16_t id, std::uint32_t value) {
    return frame(NGHTTP2_SETTINGS, 0, 0, number(id, 2) + number(value, 4));
  }
  /// Preface and settings. `window` is what each stream may send at first.
  static std::string hello(std::uint32_t window = 65535) {
    return std::string(preface) + settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window);
  }

  static std::string block(const Fields& fields) {
    std::string bytes;
    for (const auto& [name, value] : fields) {
      bytes += '\0';  // literal, not to be indexed
      bytes.append(length(name.size())).append(name).append(length(value.size())).append(value);
    }
    return bytes;
  }
  static std::string head(Stream stream, const Fields& fields, bool ends = true) {
    return frame(NGHTTP2_HEADERS, static_cast<std::uint8_t>(end_headers | (ends ? end_stream : 0)), stream,
                 block(fields));
  }
  static Fields request(std::string method, std::string path, const Fields& more = {}) {
    Fields fields{
        {":method", std::move(method)}, {":scheme", "http"}, {":path", std::move(path)}, {":authority", "localhost"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
  }
  static std::string get(Stream stream, std::string path, const Fields& more = {}) {
    return head(stream, request("GET", std::move(path), more));
  }
  /// A request whose body follows.
  static std::string post(Stream stream, std::string path, const Fields& more = {}) {
    return head(stream, request("POST", std::move(path), more), false);
  }
  static std::string data(Stream stream, std::string_view bytes, bool ends = false) {
    return frame(NGHTTP2_DATA, ends ? end_stream : 0, stream, bytes);
  }
  static std::string reset(Stream stream, std::uint32_t code = NGHTTP2_CANCEL) {
    return frame(NGHTTP2_RST_STREAM, 0, stream, number(code, 4));
  }
  /// Lets the server send so much more: on one stream, or, on 0, on the connection.
  static std::string more_room(Stream stream, std::uint32_t size) {
    return frame(NGHTTP2_WINDOW_UPDATE, 0, stream, number(size, 4));
  }
  static std::string ping() { return frame(NGHTTP2_PING, 0, 0, "12345678"); }

  // ---- what it hears ----

  void hear(std::string_view bytes) {
    heard_ += bytes;
    for (;;) {
      if (heard_.size() < 9) return;
      const std::size_t size = number_at(0, 3);
      if (heard_.size() < 9 + size) return;
      const std::string whole = heard_.substr(0, 9 + size);
      heard_.erase(0, 9 + size);
      take(static_cast<std::uint8_t>(whole[3]), static_cast<std::uint8_t>(whole[4]),
           static_cast<Stream>(number_of(whole, 5, 4)), std::string_view(whole).substr(9));
    }
  }

  Answer& at(Stream stream) { return answers_[stream]; }

  std::optional<std::uint32_t> goodbye;  // the code of the last GOAWAY
  std::uint32_t last_stream = 0;         // that one names
  std::size_t goodbyes = 0;
  std::size_t pings = 0;                        // that were answered
  std::size_t settings_taken = 0;               // that were acknowledged
  std::map<std::uint32_t, std::uint32_t> told;  // settings of the server
  std::map<Stream, std::size_t> room;           // that the server gave
  /// Whether what has come is whole frames.
  bool is_whole() const noexcept { return heard_.empty(); }

 private:
  // RFC 7541 5.1, with a prefix of seven bits.
  static std::string length(std::size_t size) {
    if (size < 127) return std::string(1, static_cast<char>(size));
    std::string bytes(1, 127);
    for (size -= 127; size >= 128; size /= 128) bytes += static_cast<char>(size % 128 + 128);
    return bytes += static_cast<char>(size);
  }
  static std::uint32_t number_of(std::string_view bytes, std::size_t from, std::size_t size) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[from + i]);
    return value;
  }
  std::uint32_t number_at(std::size_t from, std::size_t size) const { return number_of(heard_, from, size); }

  void take(std::uint8_t type, std::uint8_t flags, Stream stream, std::string_view payload) {
    switch (type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_CONTINUATION: take_fields(stream, flags, payload); break;
      case NGHTTP2_DATA:
        forbid(at(stream).status < 200, "DATA before the head of the answer (RFC 9113 8.1)");
        forbid(at(stream).ended || at(stream).reset, "DATA behind the end of the stream (RFC 9113 5.1)");
        at(stream).body += payload;
        if (!payload.empty()) ++at(stream).pieces;
        break;
      case NGHTTP2_RST_STREAM: at(stream).reset = number_of(payload, 0, 4); return;
      case NGHTTP2_GOAWAY:
        last_stream = number_of(payload, 0, 4);
        goodbye = number_of(payload, 4, 4);
        ++goodbyes;
        return;
      case NGHTTP2_PING:
        if ((flags & NGHTTP2_FLAG_ACK) != 0) ++pings;
        return;
      case NGHTTP2_SETTINGS:
        if ((flags & NGHTTP2_FLAG_ACK) != 0) ++settings_taken;
        for (std::size_t i = 0; i + 6 <= payload.size(); i += 6)
          told[number_of(payload, i, 2)] = number_of(payload, i + 2, 4);
        return;
      case NGHTTP2_WINDOW_UPDATE: room[stream] += number_of(payload, 0, 4); return;
      default: throw std::logic_error("a server of HTTP/2 sends no frame of this type");
    }
    if ((flags & end_stream) != 0) at(stream).ended = true;
  }

  static void forbid(bool wrong, const char* what) {
    if (wrong) throw std::logic_error(what);
  }

  void take_fields(Stream stream, std::uint8_t flags, std::string_view payload) {
    Answer& answer = at(stream);
    forbid(answer.ended || answer.reset, "HEADERS behind the end of the stream (RFC 9113 5.1)");
    const auto* from = reinterpret_cast<const std::uint8_t*>(payload.data());
    std::size_t left = payload.size();
    const bool whole = (flags & end_headers) != 0;
    for (;;) {
      nghttp2_nv field;
      int found = 0;
      const ssize_t size = nghttp2_hd_inflate_hd2(inflater_, &field, &found, from, left, whole ? 1 : 0);
      if (size < 0) throw std::logic_error("the server's header fields are broken");
      from += size;
      left -= static_cast<std::size_t>(size);
      if ((found & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        const std::string name(reinterpret_cast<const char*>(field.name), field.namelen);
        const std::string value(reinterpret_cast<const char*>(field.value), field.valuelen);
        if (name == ":status") {
          if (answer.status != 0) answer.interim.push_back(answer.status);
          answer.status = std::stoi(value);
        } else {
          answer.fields[name] = value;
        }
      }
      if ((found & NGHTTP2_HD_INFLATE_FINAL) != 0) {
        nghttp2_hd_inflate_end_headers(inflater_);
        return;
      }
      if ((found & NGHTTP2_HD_INFLATE_EMIT) == 0 && left == 0) return;
    }
  }

  nghttp2_hd_inflater* inflater_ = nullptr;
  std::string heard_;
  std::map<Stream, Answer> answers_;
};

}  // namespace spate::test
