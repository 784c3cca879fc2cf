// LineGuard reads the lines of a message's framing byte by byte, strictly and within limits: the head, the size lines
// of chunks, the trailers, but never the data of the body.
//
// llhttp reads the same bytes and gives them their meaning. What it lets pass depends on its version and on how it was
// built: bare CR and LF, folded lines, blanks, controls, other protocols. The guard makes that one answer, and the same
// however the bytes were cut, since it comes from the first byte that is wrong. (RFC 9112 2.2, 3, 5, 5.1;
// RFC 9110 15.5)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <spate/config.hpp>
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
  void take(std::string_view bytes) noexcept;

  const Fault& fault() const noexcept { return fault_; }

  /// Whether the method has begun and not ended.
  bool in_method() const noexcept { return state_ == State::method; }

  /// The line that follows belongs to `section`, and has the limits for itself.
  void enter(Section section) noexcept;

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
  std::size_t skip_run(std::string_view bytes) noexcept;

  void next(char c) noexcept;

  // chunk-size = 1*HEXDIG; more digits than a size can have would be zeros without end.
  void next_of_size(char c) noexcept;

  void count(std::size_t bytes) noexcept;

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

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/line_guard.ipp>
#endif
