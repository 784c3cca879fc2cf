// An EncodedEvent is an event as bytes: immutable, shared by every receiver, with its HTTP chunk framing in place.
//
//   const spate::EncodedEvent encoded(spate::Event("hello").name("greeting"));
//   encoded.bytes();   // "event: greeting\ndata: hello\n\n"
//   encoded.chunk();   // "1e\r\nevent: greeting\ndata: hello\n\n\r\n"
//
// Encoding happens once however many clients there are; a copy is one counted pointer. Any thread may use any copy.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/wire/detail/ref.hpp>
#include <spate/wire/event.hpp>

namespace spate {

namespace detail {

/// A counted block of bytes in one allocation: this header, then `capacity` bytes.
class Block final : public RefCounted<Block> {
 public:
  static Ref<Block> make(std::size_t capacity);

  char* data() noexcept { return reinterpret_cast<char*>(this + 1); }
  const char* data() const noexcept { return reinterpret_cast<const char*>(this + 1); }

  static void destroy(Block* block) noexcept;

 private:
  Block() = default;
  ~Block() = default;
  friend class RefCounted<Block>;
};

/// A block that holds a copy of `bytes`.
SPATE_DECL Ref<Block> make_block(std::string_view bytes);

}  // namespace detail

class EncodedEvent {
 public:
  /// Holds nothing; `bytes` is empty.
  EncodedEvent() = default;
  explicit EncodedEvent(const Event& event);

  /// The event whose `bytes()` these were: for a store that keeps them elsewhere, in a file for instance. How long it
  /// was to be kept is not part of them. Throws `std::invalid_argument` when no event has these bytes.
  static EncodedEvent from_bytes(std::string_view bytes);

  /// The same event without its id.
  EncodedEvent without_id() const;

  /// The event as it stands in a `text/event-stream`, blank line included. (WHATWG 9.2.6)
  std::string_view bytes() const noexcept { return view(head().bytes_at, head().bytes_size); }
  /// The same as one HTTP/1.1 chunk. (RFC 9112 7.1)
  std::string_view chunk() const noexcept { return view(head().chunk_at, head().chunk_size); }
  /// The id within `bytes`; empty when absent or empty.
  std::string_view id() const noexcept { return view(head().id_at, head().id_size); }
  /// The name within `bytes`; empty when absent.
  std::string_view name() const noexcept { return view(head().name_at, head().name_size); }
  /// Whether clients dispatch it, that is, whether it has data. (WHATWG 9.2.6)
  bool has_data() const noexcept { return head().has_data; }
  /// How long a store is to keep it at the most; zero: as long as its limits allow.
  std::chrono::milliseconds kept_for() const noexcept {
    return std::chrono::milliseconds(std::uint64_t{head().kept_for_high} << 32 | head().kept_for_low);
  }

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
    std::uint32_t kept_for_low = 0, kept_for_high = 0;  // in milliseconds; in two, as it lies behind four bytes
  };

  explicit EncodedEvent(detail::Ref<detail::Block> block) noexcept : block_(std::move(block)) {}

  const Head& head() const noexcept;
  std::string_view view(std::uint32_t at, std::uint32_t size) const noexcept {
    return block_ ? std::string_view(block_->data() + at, size) : std::string_view();
  }

  detail::Ref<detail::Block> block_;
};

/// Encodes in two steps, so that an id can be given out under a lock while the work on the data happens before it.
///
///   EventEncoder encoder(event);                 // outside the lock: everything but the id
///   EncodedEvent encoded = encoder.finish(id);   // under it: some ten bytes
class EventEncoder {
 public:
  /// The longest id that `finish` takes.
  static constexpr std::size_t max_late_id = 64;

  /// Encodes all of `event`, its own id included when it has one.
  explicit EventEncoder(const Event& event);

  /// Ends the encoding without a further id.
  EncodedEvent finish() &&;

  /// Ends the encoding with `id`. Throws `std::logic_error` when that is longer than `max_late_id`, or when the event
  /// has an id of its own: there is no room for another.
  EncodedEvent finish(std::string_view id) &&;

 private:
  friend class EncodedEvent;
  EventEncoder() = default;

  static constexpr std::size_t chunk_room = 8 + 2;
  static constexpr std::size_t retry_room = 7 + 20 + 1;

  // Room for the head, the beginning of a chunk, an id, `size` bytes, and the end of a chunk.
  void make_room(std::size_t id_room, std::size_t size);

  static std::size_t field_size(std::string_view field, std::string_view value) noexcept;
  static std::size_t lines_size(std::size_t field, std::string_view text);

  static char* put(char* out, std::string_view text) noexcept;

  // One "field: line" for each line of `text`; an empty line is "field:" alone, which means the same. (WHATWG 9.2.6)
  static char* put_lines(char* out, std::string_view field, std::string_view text) noexcept;

  void put_id(std::string_view id) noexcept;

  std::uint32_t offset(const char* at) const noexcept { return static_cast<std::uint32_t>(at - block_->data()); }

  detail::Ref<detail::Block> block_;
  EncodedEvent::Head* head_ = nullptr;
  char* start_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/encoded_event.ipp>
#endif
