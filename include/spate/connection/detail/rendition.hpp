// Rendition: the bytes of events for one way in which a stream leaves.
//
// Made once where all who leave that way may share them: an encoded event has its chunk in place, so that a chunked
// stream, which is the rule, and a plain one cost nothing. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/connection/detail/gzip_sum.hpp>
#include <spate/wire/detail/ref.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Rendition {
 public:
  /// Bytes to write, and what keeps them alive if the event does not.
  struct Piece {
    std::string_view bytes;
    Ref<Block> block;
    std::uint32_t weight = 0;  // as what they count against the limits of a queue: bytes, uncompressed
    GzipSum sum;               // of their text, if they are compressed
  };

  constexpr Rendition() = default;
  Rendition(const Rendition&) = delete;
  Rendition& operator=(const Rendition&) = delete;

  virtual Piece of(const EncodedEvent& event) const = 0;

  /// What goes before the first event.
  virtual std::string beginning() const { return {}; }

  /// What follows the last one. It lives for ever.
  virtual std::string_view end() const noexcept { return {}; }

  static Piece uncompressed(std::string_view bytes, Ref<Block> block = nullptr) {
    return {bytes, std::move(block), static_cast<std::uint32_t>(bytes.size()), {}};
  }

 protected:
  ~Rendition() = default;
};

/// An event stream as such.
class PlainRendition final : public Rendition {
 public:
  Piece of(const EncodedEvent& event) const override { return uncompressed(event.bytes()); }
};

/// An event stream in which each event is a chunk.
class ChunkedRendition final : public Rendition {
 public:
  Piece of(const EncodedEvent& event) const override { return uncompressed(event.chunk()); }
  std::string_view end() const noexcept override { return last_chunk; }
};

inline constexpr PlainRendition plain_rendition;
inline constexpr ChunkedRendition chunked_rendition;

/// Of an event stream.
inline const Rendition& rendition_of(Framing framing) noexcept {
  if (framing == Framing::chunked) return chunked_rendition;
  return plain_rendition;
}

}  // namespace spate::detail
