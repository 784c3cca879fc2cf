// GzipPieces: events of their own as pieces of gzip bodies, made once where several streams of a loop get the same.
//
// A piece refers to nothing outside of it, so that it can stand anywhere in a body. One per shard; no I/O.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/connection/detail/compression.hpp>
#include <spate/connection/detail/gzip_sum.hpp>
#include <spate/connection/detail/rendition.hpp>

namespace spate::detail {

class GzipPieces {
 public:
  explicit GzipPieces(std::shared_ptr<const Compression> compression)
      : compression_(std::move(compression)), chunked_(*this, Framing::chunked), plain_(*this, Framing::plain) {}
  GzipPieces(const GzipPieces&) = delete;
  GzipPieces& operator=(const GzipPieces&) = delete;

  const Compression& compression() const noexcept { return *compression_; }

  const Rendition& rendition(Framing framing) const noexcept { return framing == Framing::chunked ? chunked_ : plain_; }

  /// `event` as a piece. A short one is compressed only if several streams get it: for one alone that would cost more
  /// than it spares.
  Rendition::Piece of(const EncodedEvent& event, Framing framing);

  /// `event` is about to be given to several streams.
  void expect_many(const EncodedEvent& event);

  /// Any text, which one stream gets.
  Rendition::Piece of_text(std::string_view text, Framing framing);

  /// Appends `text` to `out`, compressed by itself.
  void append(std::string& out, std::string_view text);
  /// The same, unless it is so short that it is not worth it.
  void append_short(std::string& out, std::string_view text);

  /// A whole body of `text`, whose parts end at `ends` and refer to nothing outside of them. Short ones are left as
  /// they are: whoever asks decides how many there are.
  std::string body(std::string_view text, const std::vector<std::size_t>& ends);

  /// The same of a text that many answers share: made once.
  std::shared_ptr<const std::string> body(const std::shared_ptr<const std::string>& text);

  /// `bytes`, which are the pieces of text with this sum, in a block of their own.
  static Rendition::Piece framed(std::string_view bytes, Framing framing, const GzipSum& sum);

 private:
  class Each final : public Rendition {
   public:
    Each(GzipPieces& pieces, Framing framing) : pieces_(pieces), framing_(framing) {}
    Piece of(const EncodedEvent& event) const override { return pieces_.of(event, framing_); }
    SPATE_DECL std::string beginning() const override;

   private:
    GzipPieces& pieces_;
    const Framing framing_;
  };

  struct Made {
    Ref<Block> event;  // which it is of
    bool compressed = false;
    Rendition::Piece chunked, plain;
  };

  struct Body {
    std::weak_ptr<const std::string> text;
    const std::string* address = nullptr;  // of the text, as several may have one owner
    std::shared_ptr<const std::string> made;
  };

  // Below that a text by itself has little that repeats.
  static constexpr std::size_t worth_compressing = 512;

  Made& made_for(const EncodedEvent& event);

  const std::shared_ptr<const Compression> compression_;
  std::unique_ptr<Deflater> deflater_;
  std::string bytes_;  // kept for its capacity
  std::array<Made, 8> made_;
  std::size_t next_ = 0;
  std::array<Body, 8> bodies_;
  std::size_t next_body_ = 0;
  const Each chunked_, plain_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/connection/impl/gzip_pieces.ipp>
#endif
