// The functions of iframe_rendition.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/fallback_format.hpp>
#include <spate/stream/detail/iframe_rendition.hpp>

namespace spate::detail {

SPATE_DECL Rendition::Piece IframeRendition::of(const EncodedEvent& event) const {
  if (gzip_ != nullptr) return gzip_->of_text(iframe_script(event, callback_), framing_);
  const std::string bytes = framed(iframe_script(event, callback_));
  Ref<Block> block = make_block(bytes);
  const std::string_view copy(block->data(), bytes.size());
  return uncompressed(copy, std::move(block));
}

SPATE_DECL std::string IframeRendition::beginning() const {
  return framed(iframe_prologue());
}

SPATE_DECL Rendition::Piece IframeRendition::prologue() const {
  return gzip_->of_text(iframe_prologue(), framing_);
}

SPATE_DECL std::string IframeRendition::framed(std::string text) const {
  return framing_ == Framing::chunked ? chunk_of(text) : text;
}

}  // namespace spate::detail
