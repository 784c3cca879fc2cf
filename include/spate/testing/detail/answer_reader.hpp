// AnswerReader: the answer of a server in HTTP/1, as its client reads it: head, then body, however it is framed and
// however it is cut. No I/O.
//
// It reads what this library writes: of what it cannot read it says so, and looks no further.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/testing/answer.hpp>

namespace spate::detail {

class AnswerReader {
 public:
  /// Begins a new one: that to a request of `method`.
  explicit AnswerReader(std::string_view method = "GET") : head_only_(method == "HEAD") {}

  /// Takes `bytes`; what of them belongs to the body is appended to `answer().body` as well as returned.
  std::string take(std::string_view bytes);
  /// The connection has ended.
  void end();

  bool has_head() const noexcept { return phase_ > Phase::head; }
  /// Whether nothing more comes.
  bool is_whole() const noexcept { return phase_ == Phase::whole; }
  /// Whether it was no answer, or ended before its end.
  bool is_broken() const noexcept { return phase_ == Phase::broken; }

  testing::Answer& answer() noexcept { return answer_; }
  const testing::Answer& answer() const noexcept { return answer_; }

 private:
  enum class Phase : std::uint8_t { head, counted, chunk_size, chunk, chunk_end, trailer, until_end, whole, broken };

  /// The next line without its end; false when its end has not come yet.
  bool take_line(std::string& line);
  void take_head();
  void begin_body();
  void take_chunk_size(const std::string& line);
  void take_counted(std::string& body, Phase next);

  Phase phase_ = Phase::head;
  bool head_only_;
  std::string unread_;
  std::size_t left_ = 0;  // of the body, or of a chunk
  testing::Answer answer_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/answer_reader.ipp>
#endif
