// The functions of line_guard.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/line_guard.hpp>

namespace spate::detail {

SPATE_DECL void LineGuard::take(std::string_view bytes) noexcept {
  while (!bytes.empty() && !fault_) {
    bytes.remove_prefix(skip_run(bytes));
    if (bytes.empty()) return;
    next(bytes.front());
    bytes.remove_prefix(1);
  }
}

SPATE_DECL void LineGuard::enter(Section section) noexcept {
  section_ = section;
  counted_ = fields_ = 0;
}

SPATE_DECL std::size_t LineGuard::skip_run(std::string_view bytes) noexcept {
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

SPATE_DECL void LineGuard::next(char c) noexcept {
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

SPATE_DECL void LineGuard::next_of_size(char c) noexcept {
  if (c == '\r' && counted_ > 0) {
    state_ = State::lf;
    return;
  }
  state_ = State::size;
  require(hex_digit(c) >= 0 && ++counted_ <= 16, "the size of a chunk is malformed");
}

SPATE_DECL void LineGuard::count(std::size_t bytes) noexcept {
  counted_ += bytes;
  if (counted_ > limits_.max_header_bytes) refuse(431, "the header fields are too large");
}

}  // namespace spate::detail
