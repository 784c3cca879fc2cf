// LineGuard watches the raw bytes of a message's framing and refuses what llhttp, by its version and how it was built,
// lets pass: bare CR and LF, folded lines, a second leading empty line, blanks run together in the request line, and
// protocols other than HTTP. (RFC 9112 2.2, 3, 5.2; H7, H16)
//
// It sees the head, the chunk size lines and the trailers, never the data of the body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spate::detail {

class LineGuard {
 public:
  enum class Verdict : std::uint8_t { good, malformed, too_large };

  /// `limit`: bytes of all lines after the request line, without the empty line that ends them.
  explicit LineGuard(std::size_t limit) noexcept : limit_(limit) {}

  /// Takes the next framing bytes. The first verdict that is not good stands.
  Verdict take(std::string_view bytes) noexcept {
    for (const char c : bytes) {
      if (verdict_ != Verdict::good) break;
      if (!next(c)) {
        verdict_ = Verdict::malformed;
      } else if (counted_ > limit_) {
        verdict_ = Verdict::too_large;
      }
    }
    return verdict_;
  }

  /// The data of a chunk went by: a line end has to follow. (RFC 9112 7.1)
  void skip_data() noexcept { state_ = State::data_end; }

  /// Grants the whole limit again, to the lines that follow.
  void restart_count() noexcept { counted_ = 0; }

  /// Whether the request line has begun and not ended.
  bool in_request_line() const noexcept { return state_ == State::request_line; }

 private:
  enum class State : std::uint8_t { start, start_lf, request_line, line_start, line, lf, data_end };

  bool next(char c) noexcept {
    switch (state_) {
      case State::start:
        if (c == '\r' && !skipped_line_) {
          skipped_line_ = true;
          return enter(State::start_lf);
        }
        return c != '\r' && c != '\n' && c != ' ' && enter(State::request_line);
      case State::start_lf: return c == '\n' && enter(State::start);
      case State::request_line:
        if (c == '\r') return protocol_size_ >= protocol.size() && enter(State::lf);
        return c != '\n' && next_of_request_line(c);
      case State::line_start:
        if (c == '\r') return enter(State::lf);
        ++counted_;
        return c != '\n' && c != ' ' && c != '\t' && enter(State::line);
      case State::line:
        ++counted_;
        if (c == '\r') {
          ++counted_;  // its LF as well
          return enter(State::lf);
        }
        return c != '\n';
      case State::lf: return c == '\n' && enter(State::line_start);
      case State::data_end: return c == '\r' && enter(State::lf);
    }
    return false;
  }

  // request-line = method SP request-target SP "HTTP/" DIGIT "." DIGIT CRLF
  bool next_of_request_line(char c) noexcept {
    if (c == ' ') {
      ++spaces_;
      return !after_space_ && spaces_ <= 2 && (after_space_ = true);
    }
    after_space_ = false;
    if (spaces_ < 2 || protocol_size_ == protocol.size()) return true;
    return c == protocol[protocol_size_++];
  }

  bool enter(State state) noexcept {
    state_ = state;
    return true;
  }

  static constexpr std::string_view protocol = "HTTP/";

  std::size_t limit_;
  std::size_t counted_ = 0;
  Verdict verdict_ = Verdict::good;
  State state_ = State::start;
  std::uint8_t spaces_ = 0;
  std::uint8_t protocol_size_ = 0;
  bool after_space_ = false;
  bool skipped_line_ = false;
};

}  // namespace spate::detail
