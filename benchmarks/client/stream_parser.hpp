// A parser for the answer to a subscription: head, chunks or plain body, lines, events.
//
//   parser.feed(buffer, size, handler);    // handler.delivery(payload) for each benchmark event
//
// It takes the bytes in any pieces: a line may end in a later chunk and a chunk in a later packet. What most events
// look like, a whole line inside one chunk, costs one memchr and no copy. LF and CRLF end a line; a lone CR does not,
// because no subject sends it. (WHATWG 9.2.5)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "client/payload.hpp"

namespace bench {

class StreamParser {
 public:
  /// What an event is; the server's own ones are told by their names.
  enum class Kind : std::uint8_t { none, benchmark, foreign, greeting, gap, closing };

  /// The handler has `opened(status)`, `delivery(payload)`, `control(kind)` for an event that is not of the benchmark,
  /// `comment()` and `id(text)`.
  template <typename Handler>
  void feed(const char* at, std::size_t size, Handler& handler) {
    const char* const end = at + size;
    while (at != end) {
      switch (state_) {
        case State::head: at = head(at, end, handler); break;
        case State::chunk_size: at = chunk_size(at, end); break;
        case State::chunk_extension: at = skip_line(at, end, remaining_ == 0 ? State::ended : State::chunk_data); break;
        case State::chunk_data: {
          const auto rest = static_cast<std::size_t>(end - at);
          const std::size_t take = remaining_ < rest ? remaining_ : rest;
          lines(at, at + take, handler);
          at += take;
          remaining_ -= take;
          if (remaining_ == 0) state_ = State::chunk_end;
          break;
        }
        case State::chunk_end:
          // chunk-data is followed by CRLF and nothing else. (RFC 9112 7.1)
          if (*at != '\r' && *at != '\n') {
            state_ = State::broken;
            return;
          }
          state_ = *at++ == '\n' ? State::chunk_size : State::chunk_end;
          break;
        case State::plain:
          lines(at, end, handler);
          at = end;
          break;
        case State::ended:
        case State::broken: return;
      }
    }
  }

  /// What comes is the body as it is: the head has been read by somebody else.
  void begin_body() noexcept { state_ = State::plain; }

  bool open() const noexcept { return state_ != State::head && state_ != State::broken; }
  bool ended() const noexcept { return state_ == State::ended; }
  bool broken() const noexcept { return state_ == State::broken; }

 private:
  enum class State : std::uint8_t { head, chunk_size, chunk_extension, chunk_data, chunk_end, plain, ended, broken };

  template <typename Handler>
  const char* head(const char* at, const char* end, Handler& handler) {
    const std::size_t before = partial_.size();
    partial_.append(at, end);
    const std::size_t blank = partial_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
    if (blank == std::string::npos) return end;
    const char* const next = at + (blank + 4 - before);
    int status = 0;
    if (blank >= 12) {
      for (std::size_t i = 9; i < 12; ++i) status = status * 10 + (partial_[i] - '0');
    }
    bool chunked = false;
    for (char& c : partial_) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const std::size_t coding = partial_.find("\r\ntransfer-encoding:");
    if (coding < blank) {
      const std::string_view field = std::string_view(partial_).substr(coding + 2);
      chunked = field.substr(0, field.find('\r')).find("chunked") != field.npos;
    }
    std::string().swap(partial_);
    state_ = status != 200 ? State::broken : chunked ? State::chunk_size : State::plain;
    handler.opened(status);
    return next;
  }

  const char* chunk_size(const char* at, const char* end) noexcept {
    while (at != end) {
      const unsigned c = static_cast<unsigned char>(*at++);
      if (c - '0' < 10u) {
        remaining_ = remaining_ * 16 + (c - '0');
      } else if ((c | 0x20u) - 'a' < 6u) {
        remaining_ = remaining_ * 16 + ((c | 0x20u) - 'a' + 10);
      } else if (c != '\r' && c != '\n' && c != ';' && c != ' ') {
        state_ = State::broken;
        return end;
      } else {
        state_ = State::chunk_extension;
        return c == '\n' ? skip_line(at - 1, end, remaining_ == 0 ? State::ended : State::chunk_data) : at;
      }
    }
    return at;
  }

  const char* skip_line(const char* at, const char* end, State next) noexcept {
    while (at != end) {
      if (*at++ == '\n') {
        state_ = next;
        break;
      }
    }
    return at;
  }

  template <typename Handler>
  void lines(const char* at, const char* end, Handler& handler) {
    while (at != end) {
      const auto* stop = static_cast<const char*>(std::memchr(at, '\n', static_cast<std::size_t>(end - at)));
      if (stop == nullptr) {
        partial_.append(at, end);
        return;
      }
      if (partial_.empty()) {
        line(std::string_view(at, static_cast<std::size_t>(stop - at)), handler);
      } else {
        partial_.append(at, stop);
        line(partial_, handler);
        partial_.clear();
      }
      at = stop + 1;
    }
  }

  template <typename Handler>
  void line(std::string_view line, Handler& handler) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) {
      if (kind_ == Kind::benchmark) {
        handler.delivery(payload_);
      } else if (kind_ != Kind::none) {
        handler.control(kind_);
      }
      kind_ = Kind::none;
      return;
    }
    switch (line[0]) {
      case ':': handler.comment(); break;
      case 'd':
        if (!starts(line, "data:")) break;
        // Some servers send the data as JSON: a quotation mark stands before it.
        if (!line.empty() && line[0] == '"') line.remove_prefix(1);
        if (kind_ <= Kind::foreign) kind_ = Payload::decode(line, payload_) ? Kind::benchmark : Kind::foreign;
        break;
      case 'i':
        if (starts(line, "id:")) handler.id(line);
        break;
      case 'e':
        if (!starts(line, "event:")) break;
        if (line == "connected") kind_ = Kind::greeting;
        if (line == "gap") kind_ = Kind::gap;
        if (line == "closing") kind_ = Kind::closing;
        break;
      default: break;
    }
  }

  // Takes `field` and one space off the front of `line`; false when it begins otherwise. (WHATWG 9.2.6)
  template <std::size_t Size>
  static bool starts(std::string_view& line, const char (&field)[Size]) noexcept {
    constexpr std::size_t length = Size - 1;
    if (line.size() < length || std::memcmp(line.data(), field, length) != 0) return false;
    const bool space = line.size() > length && line[length] == ' ';
    line = std::string_view(line.data() + length + space, line.size() - length - space);
    return true;
  }

  State state_ = State::head;
  Kind kind_ = Kind::none;
  Payload payload_;
  std::size_t remaining_ = 0;
  std::string partial_;
};

}  // namespace bench
