// The functions of iframe_rendition.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/fallback_format.hpp>
#include <spate/stream/detail/iframe_rendition.hpp>

namespace spate::detail {

SPATE_DECL Rendition::Piece IframeRendition::of(const EncodedEvent& event) const {
  const std::string bytes = framed(iframe_script(event, callback_));
  Ref<Block> block = make_block(bytes);
  return {std::string_view(block->data(), bytes.size()), std::move(block)};
}

SPATE_DECL std::string IframeRendition::beginning() const {
  return framed(iframe_prologue());
}

SPATE_DECL std::string IframeRendition::framed(std::string text) const {
  return framing_ == Framing::chunked ? chunk_of(text) : text;
}

}  // namespace spate::detail
