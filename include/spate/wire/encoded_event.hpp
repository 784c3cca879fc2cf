// An EncodedEvent is an event as bytes: immutable, shared by every receiver, with its HTTP chunk framing in place.
//
//   const spate::EncodedEvent encoded(spate::Event("hello").name("greeting"));
//   encoded.bytes();   // "event: greeting\ndata: hello\n\n"
//   encoded.chunk();   // "1e\r\nevent: greeting\ndata: hello\n\n\r\n"
//
// Encoding happens once however many clients there are; a copy is one counted pointer. Any thread may use any copy.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/ref.hpp>
#include <spate/wire/event.hpp>

namespace spate {

namespace detail {

/// A counted block of bytes in one allocation: this header, then `capacity` bytes.
class Block final : public RefCounted<Block> {
 public:
  static Ref<Block> make(std::size_t capacity) {
    void* memory = ::operator new(sizeof(Block) + capacity);
    return Ref<Block>(new (memory) Block);
  }

  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  static void destroy(Block* block) noexcept {
    block->~Block();
    ::operator delete(block);
  }

 private:
  Block() = default;
  ~Block() = default;
  friend class RefCounted<Block>;
};

/// A block that holds a copy of `bytes`.
inline Ref<Block> make_block(std::string_view bytes) {
  Ref<Block> block = Block::make(bytes.size());
  std::copy(bytes.begin(), bytes.end(), block->data());
  return block;
}

}  // namespace detail

class EncodedEvent {
 public:
  /// Holds nothing; `bytes` is empty.
  EncodedEvent() = default;
  explicit EncodedEvent(const Event& event);

  /// The event as it stands in a `text/event-stream`, blank line included. (E10)
  std::string_view bytes() const noexcept { return view(head().bytes_at, head().bytes_size); }
  /// The same as one HTTP/1.1 chunk. (H2)
  std::string_view chunk() const noexcept { return view(head().chunk_at, head().chunk_size); }
  /// The id within `bytes`; empty when absent or empty.
  std::string_view id() const noexcept { return view(head().id_at, head().id_size); }
  /// The name within `bytes`; empty when absent.
  std::string_view name() const noexcept { return view(head().name_at, head().name_size); }
  /// Whether clients dispatch it, that is, whether it has data. (E8)
  bool has_data() const noexcept { return head().has_data; }

  /// Bytes of memory that all copies share, for whoever keeps many events.
  std::size_t footprint() const noexcept {
    return block_ ? sizeof(detail::Block) + head().chunk_at + head().chunk_size : 0;
  }

  explicit operator bool() const noexcept { return static_cast<bool>(block_); }

  /// What keeps the bytes alive, for the layers above.
  const detail::Ref<detail::Block>& block() const noexcept { return block_; }

 private:
  friend class EventEncoder;

  struct Head {
    std::uint32_t chunk_at = 0, chunk_size = 0;
    std::uint32_t bytes_at = 0, bytes_size = 0;
    std::uint32_t id_at = 0, id_size = 0;
    std::uint32_t name_at = 0, name_size = 0;
    bool has_data = false;
  };

  explicit EncodedEvent(detail::Ref<detail::Block> block) noexcept : block_(std::move(block)) {}

  const Head& head() const noexcept {
    static constexpr Head empty{};
    return block_ ? *std::launder(reinterpret_cast<const Head*>(block_->data())) : empty;
  }
  std::string_view view(std::uint32_t at, std::uint32_t size) const noexcept {
    return block_ ? std::string_view(block_->data() + at, size) : std::string_view();
  }

  detail::Ref<detail::Block> block_;
};

// Encodes in two steps, so that an id can be given out under a lock while the work on the data happens before it.
//
//   EventEncoder encoder(event);                 // outside the lock: everything but the id
//   EncodedEvent encoded = encoder.finish(id);   // under it: some ten bytes
class EventEncoder {
 public:
  /// The longest id that `finish` takes.
  static constexpr std::size_t max_late_id = 64;

  /// Encodes all of `event`, its own id included when it has one.
  explicit EventEncoder(const Event& event) {
    // event-block = *( comment / "event: " name / "retry: " digits / "id: " id / "data: " line ) LF
    const std::size_t id_size = event.id() ? field_size("id", *event.id()) : 0;
    std::size_t size = 1;
    if (event.comment()) size += lines_size(1, *event.comment());
    if (!event.name().empty()) size += field_size("event", event.name());
    if (event.retry()) size += retry_room;
    if (event.data()) size += lines_size(4, *event.data());

    constexpr std::size_t head_room = sizeof(EncodedEvent::Head);
    const std::size_t id_room = std::max(id_size, field_size("id", {}) + max_late_id);
    block_ = detail::Block::make(head_room + chunk_room + id_room + size + 2);
    head_ = new (block_->data()) EncodedEvent::Head;
    start_ = block_->data() + head_room + chunk_room + id_room;

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
    if (event.id()) put_id(*event.id());
  }

  /// Ends the encoding without a further id.
  EncodedEvent finish() && {
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

  /// Ends the encoding with `id`. Throws `std::logic_error` when that is longer than `max_late_id`, or when the event
  /// has an id of its own: there is no room for another.
  EncodedEvent finish(std::string_view id) && {
    if (head_->id_at != 0) throw std::logic_error("spate::EventEncoder: the event has an id already");
    if (id.size() > max_late_id) {
      throw std::logic_error("spate::EventEncoder: the id is longer than 64 bytes: " + detail::quote(id));
    }
    put_id(id);
    return std::move(*this).finish();
  }

 private:
  static constexpr std::size_t chunk_room = 8 + 2;
  static constexpr std::size_t retry_room = 7 + 20 + 1;

  static std::size_t field_size(std::string_view field, std::string_view value) {
    return field.size() + 2 + value.size() + 1;
  }
  static std::size_t lines_size(std::size_t field, std::string_view text) {
    std::size_t lines = 1;
    for (std::size_t at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) ++lines;
    return text.size() + lines * (field + 2) + 1;
  }

  static char* put(char* out, std::string_view text) noexcept { return std::copy(text.begin(), text.end(), out); }

  // One "field: line" for each line of `text`; an empty line is "field:" alone, which means the same. (E7, E9)
  static char* put_lines(char* out, std::string_view field, std::string_view text) noexcept {
    for (;;) {
      const std::size_t size = std::min(text.find('\n'), text.size());
      out = put(put(out, field), size == 0 ? ":" : ": ");
      out = put(put(out, text.substr(0, size)), "\n");
      if (size == text.size()) return out;
      text.remove_prefix(size + 1);
    }
  }

  void put_id(std::string_view id) noexcept {
    start_ -= field_size("id", id);
    char* out = put(start_, "id: ");
    head_->id_at = offset(out);
    head_->id_size = static_cast<std::uint32_t>(id.size());
    put(put(out, id), "\n");
  }

  std::uint32_t offset(const char* at) const noexcept { return static_cast<std::uint32_t>(at - block_->data()); }

  detail::Ref<detail::Block> block_;
  EncodedEvent::Head* head_ = nullptr;
  char* start_ = nullptr;
  char* end_ = nullptr;
};

inline EncodedEvent::EncodedEvent(const Event& event) : EncodedEvent(EventEncoder(event).finish()) {}

}  // namespace spate
