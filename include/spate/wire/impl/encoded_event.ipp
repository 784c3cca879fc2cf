// The functions of encoded_event.hpp.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>
#include <stdexcept>

#include <spate/config.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/utf8.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

SPATE_DECL Ref<Block> Block::make(std::size_t capacity) {
  void* memory = ::operator new(sizeof(Block) + capacity);
  return Ref<Block>(new (memory) Block);
}

SPATE_DECL void Block::destroy(Block* block) noexcept {
  block->~Block();
  ::operator delete(block);
}

SPATE_DECL Ref<Block> make_block(std::string_view bytes) {
  Ref<Block> block = Block::make(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block->data());
  return block;
}

}  // namespace spate::detail

namespace spate {

SPATE_DECL const EncodedEvent::Head& EncodedEvent::head() const noexcept {
  static constexpr Head empty{};
  return block_ ? *std::launder(reinterpret_cast<const Head*>(block_->data())) : empty;
}

SPATE_DECL EncodedEvent::EncodedEvent(const Event& event) : EncodedEvent(EventEncoder(event).finish()) {}

SPATE_DECL std::size_t EventEncoder::field_size(std::string_view field, std::string_view value) noexcept {
  return field.size() + 2 + value.size() + 1;
}

SPATE_DECL char* EventEncoder::put(char* out, std::string_view text) noexcept {
  return std::copy(text.begin(), text.end(), out);
}

SPATE_DECL EncodedEvent EncodedEvent::from_bytes(std::string_view bytes) {
  const auto refuse = [bytes](const char* why) {
    throw std::invalid_argument(std::string("spate::EncodedEvent: these bytes are no event, ") + why + ": " +
                                detail::quote(bytes.substr(0, 200)));
  };
  if (bytes.size() > UINT32_MAX - 1024) refuse("they are too many");
  if (detail::valid_utf8_prefix(bytes) != bytes.size()) refuse("they are not valid UTF-8");
  if (bytes.find('\r') != std::string_view::npos) refuse("a line of them ends with a CR");
  EventEncoder encoder;
  encoder.make_room(0, bytes.size());
  Head& head = *encoder.head_;
  encoder.end_ = EventEncoder::put(encoder.start_, bytes);
  const std::uint32_t start = encoder.offset(encoder.start_);
  // Fields come in the order in which they are encoded, whose ranks these are.
  enum : int { is_id, is_comment, is_event, is_retry, is_data };
  int rank = is_id;
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) refuse("they end within a line");
    const std::string_view line = bytes.substr(at, end - at);
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) refuse("a line of them is no field");
    const std::string_view field = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    if (!value.empty() && value.front() != ' ') refuse("a field of them lacks its space");
    if (!value.empty()) value.remove_prefix(1);
    const int its = field == "id"      ? is_id
                    : field.empty()    ? is_comment
                    : field == "event" ? is_event
                    : field == "retry" ? is_retry
                    : field == "data"  ? is_data
                                       : -1;
    const bool repeats = its == is_comment || its == is_data;
    if (its < 0 || its < rank) refuse("a field of them has no place there");
    rank = repeats ? its : its + 1;
    const std::uint32_t value_at = start + static_cast<std::uint32_t>(end - value.size());
    const auto size = static_cast<std::uint32_t>(value.size());
    if (its == is_id) {
      if (value.find('\0') != std::string_view::npos) refuse("their id has a NUL");
      head.id_at = value_at;
      head.id_size = size;
    } else if (its == is_event) {
      head.name_at = value_at;
      head.name_size = size;
    } else if (its == is_retry) {
      if (value.empty() || value.find_first_not_of("0123456789") != std::string_view::npos)
        refuse("their retry is no number");
    } else if (its == is_data) {
      head.has_data = true;
    }
    at = end + 1;
  }
  if (at + 1 != bytes.size()) refuse("something follows its blank line");
  return std::move(encoder).finish();
}

SPATE_DECL EncodedEvent EncodedEvent::without_id() const {
  if (head().id_at == 0) return *this;
  return from_bytes(bytes().substr(head().id_at + head().id_size + 1 - head().bytes_at));
}

SPATE_DECL void EventEncoder::make_room(std::size_t id_room, std::size_t size) {
  constexpr std::size_t head_room = sizeof(EncodedEvent::Head);
  block_ = detail::Block::make(head_room + chunk_room + id_room + size + 2);
  head_ = new (block_->data()) EncodedEvent::Head;
  start_ = block_->data() + head_room + chunk_room + id_room;
}

SPATE_DECL EventEncoder::EventEncoder(const Event& event) {
  // event-block = *( comment / "event: " name / "retry: " digits / "id: " id / "data: " line ) LF
  const std::size_t id_size = event.id() ? field_size("id", *event.id()) : 0;
  std::size_t size = 1;
  if (event.comment()) size += lines_size(1, *event.comment());
  if (!event.name().empty()) size += field_size("event", event.name());
  if (event.retry()) size += retry_room;
  if (event.data()) size += lines_size(4, *event.data());

  make_room(std::max(id_size, field_size("id", {}) + max_late_id), size);
  char* out = start_;
  if (event.comment()) out = put_lines(out, "", *event.comment());
  if (!event.name().empty()) {
    out = put(out, "event: ");
    head_->name_at = offset(out);
    head_->name_size = static_cast<std::uint32_t>(event.name().size());
    out = put(put(out, event.name()), "\n");
  }
  if (event.retry()) {
    out = put(out, "retry: ");
    out = std::to_chars(out, out + 20, event.retry()->count()).ptr;
    out = put(out, "\n");
  }
  if (event.data()) out = put_lines(out, "data", *event.data());
  out = put(out, "\n");
  end_ = out;
  head_->has_data = event.data().has_value();
  const auto kept_for = static_cast<std::uint64_t>(event.kept_for().count());
  head_->kept_for_low = static_cast<std::uint32_t>(kept_for);
  head_->kept_for_high = static_cast<std::uint32_t>(kept_for >> 32);
  if (event.id()) put_id(*event.id());
}

SPATE_DECL EncodedEvent EventEncoder::finish() && {
  head_->bytes_at = offset(start_);
  head_->bytes_size = static_cast<std::uint32_t>(end_ - start_);
  // chunk = 1*HEXDIG CRLF chunk-data CRLF   (RFC 9112 7.1)
  char digits[8];
  const auto hex = std::to_chars(digits, digits + sizeof digits, head_->bytes_size, 16);
  const auto count = static_cast<std::size_t>(hex.ptr - digits);
  char* chunk = start_ - 2 - count;
  std::memcpy(chunk, digits, count);
  std::memcpy(start_ - 2, "\r\n", 2);
  std::memcpy(end_, "\r\n", 2);
  head_->chunk_at = offset(chunk);
  head_->chunk_size = static_cast<std::uint32_t>(end_ + 2 - chunk);
  return EncodedEvent(std::move(block_));
}

SPATE_DECL EncodedEvent EventEncoder::finish(std::string_view id) && {
  if (head_->id_at != 0) throw std::logic_error("spate::EventEncoder: the event has an id already");
  if (id.size() > max_late_id) {
    throw std::logic_error("spate::EventEncoder: the id is longer than 64 bytes: " + detail::quote(id));
  }
  put_id(id);
  return std::move(*this).finish();
}

SPATE_DECL std::size_t EventEncoder::lines_size(std::size_t field, std::string_view text) {
  std::size_t lines = 1;
  for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) ++lines;
  return text.size() + lines * (field + 2) + 1;
}

SPATE_DECL char* EventEncoder::put_lines(char* out, std::string_view field, std::string_view text) noexcept {
  for (;;) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    out = put(put(out, field), size == 0 ? ":" : ": ");
    out = put(put(out, text.substr(0, size)), "\n");
    if (size == text.size()) return out;
    text.remove_prefix(size + 1);
  }
}

SPATE_DECL void EventEncoder::put_id(std::string_view id) noexcept {
  start_ -= field_size("id", id);
  char* out = put(start_, "id: ");
  head_->id_at = offset(out);
  head_->id_size = static_cast<std::uint32_t>(id.size());
  put(put(out, id), "\n");
}

}  // namespace spate
