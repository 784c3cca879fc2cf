// IframeRendition: events as scripts of an endless page, which call a function of its parent.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/framing.hpp>
#include <spate/connection/detail/gzip_pieces.hpp>
#include <spate/connection/detail/rendition.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class IframeRendition final : public Rendition {
 public:
  /// `callback` names the parent's function.
  IframeRendition(Framing framing, std::string callback) : framing_(framing), callback_(std::move(callback)) {}

  /// Before the first event: compresses by `gzip`, which outlives this.
  void compress(GzipPieces& gzip) noexcept { gzip_ = &gzip; }

  SPATE_DECL Piece of(const EncodedEvent& event) const override;

  /// Browsers render, and run scripts, only after the first kilobyte or so.
  SPATE_DECL std::string beginning() const override;

  /// What `beginning` is, when it is compressed.
  SPATE_DECL Piece prologue() const;

  std::string_view end() const noexcept override { return rendition_of(framing_).end(); }

 private:
  std::string framed(std::string text) const;

  const Framing framing_;
  const std::string callback_;
  GzipPieces* gzip_ = nullptr;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/iframe_rendition.ipp>
#endif
