// The functions of gzip_pieces.hpp.
#pragma once

#include <algorithm>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/deflate_tokens.hpp>
#include <spate/connection/detail/gzip_pieces.hpp>

namespace spate::detail {

SPATE_DECL std::string GzipPieces::Each::beginning() const {
  return framing_ == Framing::chunked ? chunk_of(gzip_header) : std::string(gzip_header);
}

SPATE_DECL GzipPieces::Made& GzipPieces::made_for(const EncodedEvent& event) {
  for (Made& made : made_) {
    if (made.event == event.block()) return made;
  }
  Made& made = made_[next_];
  next_ = (next_ + 1) % made_.size();
  made = {event.block(), event.bytes().size() >= worth_compressing, {}, {}};
  return made;
}

SPATE_DECL void GzipPieces::expect_many(const EncodedEvent& event) {
  made_for(event).compressed = true;
}

SPATE_DECL Rendition::Piece GzipPieces::of(const EncodedEvent& event, Framing framing) {
  Made& made = made_for(event);
  Rendition::Piece& piece = framing == Framing::chunked ? made.chunked : made.plain;
  // The first of those who get it finds nothing; from the second on it is kept.
  const bool first = !made.compressed;
  if (!first && piece.block) return piece;
  const std::string_view text = event.bytes();
  bytes_.clear();
  if (first && text.size() <= max_stored) {
    append_literals(bytes_, text);
  } else {
    append(bytes_, text);
  }
  const GzipSum sum{compression_->sum(0, text), static_cast<std::uint32_t>(text.size())};
  Rendition::Piece fresh = framed(bytes_, framing, sum);
  fresh.weight = static_cast<std::uint32_t>(framing == Framing::chunked ? event.chunk().size() : text.size());
  if (!std::exchange(made.compressed, true)) return fresh;
  piece = std::move(fresh);
  return piece;
}

SPATE_DECL Rendition::Piece GzipPieces::of_text(std::string_view text, Framing framing) {
  bytes_.clear();
  append_short(bytes_, text);
  Rendition::Piece piece =
      framed(bytes_, framing, {compression_->sum(0, text), static_cast<std::uint32_t>(text.size())});
  piece.weight = static_cast<std::uint32_t>(text.size());
  return piece;
}

SPATE_DECL void GzipPieces::append(std::string& out, std::string_view text) {
  if (!deflater_) deflater_ = compression_->make(Compression::Use::alone);
  deflater_->restart();
  deflater_->put(text, Deflater::Codes::best, out);
}

SPATE_DECL void GzipPieces::append_short(std::string& out, std::string_view text) {
  text.size() < worth_compressing ? append_literals(out, text) : append(out, text);
}

SPATE_DECL std::string GzipPieces::body(std::string_view text, const std::vector<std::size_t>& ends) {
  // For a long one it pays to look far back.
  constexpr std::size_t long_text = 8192;
  std::string out(gzip_header);
  std::size_t begin = 0, stored = 0;  // from there to `begin` there are short ones, which go out together
  const auto flush = [&] {
    for (; stored < begin; stored += std::min(begin - stored, max_stored))
      append_literals(out, text.substr(stored, std::min(begin - stored, max_stored)));
  };
  const auto put = [&](std::size_t end) {
    const std::string_view part = text.substr(begin, end - begin);
    if (part.size() >= worth_compressing || ends.empty()) {
      flush();
      if (part.size() < long_text) {
        append(out, part);
      } else {
        compression_->make(Compression::Use::once)->put(part, Deflater::Codes::best, out);
      }
      stored = end;
    }
    begin = end;
  };
  for (const std::size_t end : ends) {
    if (end > begin) put(std::min(end, text.size()));
  }
  if (begin < text.size()) put(text.size());
  flush();
  return out += gzip_end({compression_->sum(0, text), static_cast<std::uint32_t>(text.size())});
}

SPATE_DECL std::shared_ptr<const std::string> GzipPieces::body(const std::shared_ptr<const std::string>& text) {
  for (Body& each : bodies_) {
    if (each.text.expired()) each = {};
    const bool same_owner = !each.text.owner_before(text) && !text.owner_before(each.text);
    if (each.made && same_owner && each.address == text.get()) return each.made;
  }
  Body& fresh = bodies_[next_body_];
  next_body_ = (next_body_ + 1) % bodies_.size();
  fresh = {};
  auto made = std::make_shared<const std::string>(body(*text, {}));
  fresh = {text, text.get(), made};
  return made;
}

SPATE_DECL Rendition::Piece GzipPieces::framed(std::string_view bytes, Framing framing, const GzipSum& sum) {
  if (framing != Framing::chunked) {
    Ref<Block> block = make_block(bytes);
    const std::string_view copy(block->data(), bytes.size());
    return {copy, std::move(block), static_cast<std::uint32_t>(bytes.size()), sum};
  }
  char head[18];
  const std::size_t head_size = write_chunk_head(head, bytes.size());
  Ref<Block> block = Block::make(head_size + bytes.size() + 2);
  char* out = std::copy(head, head + head_size, block->data());
  out = std::copy(bytes.begin(), bytes.end(), out);
  *out++ = '\r';
  *out++ = '\n';
  const std::string_view all(block->data(), static_cast<std::size_t>(out - block->data()));
  return {all, std::move(block), static_cast<std::uint32_t>(all.size()), sum};
}

}  // namespace spate::detail
