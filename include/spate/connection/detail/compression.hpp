// Compression: what makes the bytes of a gzip body, whichever library does it.
//
// A body is one gzip member (RFC 1952): a header, the pieces of a deflate stream (RFC 1951), and an end with the sum
// and the length of all text. Each piece ends on a whole byte and can be decoded when it has come, so that pieces which
// refer to nothing outside of them, or to the same text before them, can be given to many streams.
//
// Both are made by an optional part of the library; a program without it has none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

/// One context: what it compresses next may refer to what it was given before. One thread at a time.
class Deflater {
 public:
  enum class Codes : std::uint8_t {
    best,   // whichever codes are shortest
    fixed,  // those that RFC 1951 3.2.6 fixes: the piece can be read and written anew by `DeflateTokens`
  };

  Deflater() = default;
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  virtual ~Deflater() = default;

  /// Forgets what it was given.
  virtual void restart() = 0;

  /// Appends `text` to `out` as a piece. Throws std::bad_alloc; then the context is of no use until it is restarted.
  virtual void put(std::string_view text, Codes codes, std::string& out) = 0;
};

/// Any thread.
class Compression {
 public:
  Compression() = default;
  Compression(const Compression&) = delete;
  Compression& operator=(const Compression&) = delete;
  virtual ~Compression() = default;

  enum class Use : std::uint8_t {
    sequence,  // for all that many streams are sent: it looks far back
    alone,     // for pieces that refer to nothing: it is small, and restarted each time
    once,      // for a long text that few get: it is quick, as whoever asks decides how often it is needed
  };
  virtual std::unique_ptr<Deflater> make(Use use) const = 0;

  /// The CRC-32 of a text whose beginning has the sum `before`, and the rest is `text`. Of nothing it is 0.
  virtual std::uint32_t sum(std::uint32_t before, std::string_view text) const noexcept = 0;

  /// What the sum of a text adds to that of one which is longer by `size` bytes: the sum of both, one after the other,
  /// is `shifted(sum of the first, size of the second) ^ sum of the second`.
  virtual std::uint32_t shifted(std::uint32_t sum, std::uint64_t size) const noexcept = 0;
};

}  // namespace spate::detail
