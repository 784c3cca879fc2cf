// LineGuard reads the lines of a message's framing byte by byte, strictly and within limits: the head, the size lines
// of chunks, the trailers, but never the data of the body.
//
// llhttp reads the same bytes and gives them their meaning. What it lets pass depends on its version and on how it was
// built: bare CR and LF, folded lines, blanks, controls, other protocols. The guard makes that one answer, and the same
// however the bytes were cut, since it comes from the first byte that is wrong. (RFC 9112 2.2, 3, 5; H7, H14, H16)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/limits.hpp>

namespace spate::detail {

/// Why a request is refused; no status means that it is not.
struct Fault {
  int status = 0;
  std::string_view reason = {};

  explicit operator bool() const noexcept { return status != 0; }
};

class LineGuard {
 public:
  enum class Section : std::uint8_t { head, chunk_size, trailers };

  explicit LineGuard(const RequestLimits& limits) noexcept : limits_(limits) {}

  /// Takes the next bytes of the framing, up to the first that is wrong.
  void take(std::string_view bytes) noexcept {
    while (!bytes.empty() && !fault_) {
      bytes.remove_prefix(skip_run(bytes));
      if (bytes.empty()) return;
      next(bytes.front());
      bytes.remove_prefix(1);
    }
  }

  const Fault& fault() const noexcept { return fault_; }

  /// Whether the method has begun and not ended.
  bool in_method() const noexcept { return state_ == State::method; }

  /// The line that follows belongs to `section`, and has the limits for itself.
  void enter(Section section) noexcept {
    section_ = section;
    counted_ = fields_ = 0;
  }

  /// The data of a chunk went by: a line end has to follow. (RFC 9112 7.1)
  void skip_data() noexcept { state_ = State::data_end; }

 private:
  enum class State : std::uint8_t {
    start,
    start_lf,  // of the one empty line that may stand before a request
    method,
    target,
    protocol,
    version,
    line_start,
    name,
    value,
    size,
    lf,
    data_end,
  };

  // Takes what `next` would let pass without a further thought, which is most of a head, and returns its size.
  std::size_t skip_run(std::string_view bytes) noexcept {
    CharClass wanted{};
    std::size_t limit = limits_.max_header_bytes;
    switch (state_) {
      case State::target:
        wanted = target_char;
        limit = limits_.max_target_bytes;
        break;
      case State::name: wanted = token_char; break;
      case State::value: wanted = field_char; break;
      default: return 0;
    }
    bytes = bytes.substr(0, limit - counted_);
    const auto end = std::find_if_not(bytes.begin(), bytes.end(), [wanted](char c) { return is_a(wanted, c); });
    const auto size = static_cast<std::size_t>(end - bytes.begin());
    counted_ += size;
    return size;
  }

  void next(char c) noexcept {
    switch (state_) {
      // request-line = method SP request-target SP HTTP-version CRLF
      case State::start:
        if (c == '\r' && !forgiven_) {
          forgiven_ = true;
          state_ = State::start_lf;
        } else {
          require(is_token_char(c), "the request line is malformed");
          state_ = State::method;
        }
        return;
      case State::start_lf:
        require(c == '\n', bad_line_end);
        state_ = State::start;
        return;
      case State::method:
        require(c == ' ' || is_token_char(c), "the method is malformed");
        if (c == ' ') state_ = State::target;
        return;
      case State::target:
        if (c == ' ' && counted_ > 0) {
          state_ = State::protocol;
          counted_ = 0;
          return;
        }
        require(is_a(target_char, c), "the request target is malformed");
        if (++counted_ > limits_.max_target_bytes) refuse(414, "the request target is too long");
        return;
      case State::protocol:
        require(c == protocol[counted_], "the HTTP version is malformed");
        if (++counted_ == protocol.size()) state_ = State::version;
        return;
      case State::version:
        require(c == '\r' || c == '.' || is_digit(c), "the HTTP version is malformed");
        counted_ = 0;
        if (c == '\r') state_ = State::lf;
        return;
      case State::line_start:
        if (section_ == Section::chunk_size) return next_of_size(c);
        if (c == '\r') {
          state_ = State::lf;
          return;
        }
        require(is_token_char(c), "a header field is malformed");  // a blank would fold the line
        state_ = State::name;
        if (++fields_ > limits_.max_header_count) refuse(431, "there are too many header fields");
        return count(1);
      // field-line = field-name ":" OWS field-value OWS
      case State::name:
        require(c == ':' || is_token_char(c), "a header field is malformed");
        if (c == ':') state_ = State::value;
        return count(1);
      case State::value:
        if (c == '\r') {
          state_ = State::lf;
          return count(2);
        }
        require(is_a(field_char, c), "a header field is malformed");
        return count(1);
      case State::size: return next_of_size(c);
      case State::lf:
        require(c == '\n', bad_line_end);
        state_ = State::line_start;
        return;
      case State::data_end:
        require(c == '\r', "the data of a chunk does not end where it should");
        state_ = State::lf;
        return;
    }
  }

  // chunk-size = 1*HEXDIG; more digits than a size can have would be zeros without end.
  void next_of_size(char c) noexcept {
    if (c == '\r' && counted_ > 0) {
      state_ = State::lf;
      return;
    }
    state_ = State::size;
    require(hex_digit(c) >= 0 && ++counted_ <= 16, "the size of a chunk is malformed");
  }

  void count(std::size_t bytes) noexcept {
    counted_ += bytes;
    if (counted_ > limits_.max_header_bytes) refuse(431, "the header fields are too large");
  }

  void require(bool good, std::string_view reason) noexcept {
    if (!good) refuse(400, reason);
  }
  void refuse(int status, std::string_view reason) noexcept {
    if (!fault_) fault_ = {status, reason};
  }

  static constexpr std::string_view protocol = "HTTP/";
  static constexpr std::string_view bad_line_end = "a line does not end with CR and LF";

  RequestLimits limits_;
  Fault fault_;
  std::size_t counted_ = 0;  // bytes of the target, then of the fields of this section, or digits of the size
  std::size_t fields_ = 0;
  Section section_ = Section::head;
  State state_ = State::start;
  bool forgiven_ = false;
};

}  // namespace spate::detail
