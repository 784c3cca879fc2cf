// Event ids on the wire, `epoch-sequence`, and cursors: where in a history a client wants to begin.
//
//   const Cursor cursor = Cursor::parse(stream.last_event_id());
//   if (const auto sequence = cursor.sequence_in(store.epoch())) ...   // it is a position in this history
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL std::string format_event_id(std::string_view epoch, std::uint64_t sequence);

/// A value, parsed once: the text comes from outside.
class Cursor {
 public:
  enum class Kind : std::uint8_t {
    none,      // nothing was asked for: what comes from now on
    earliest,  // all that is kept
    newest,    // the newest events that are kept, so many
    position,  // after an event of some history
    unknown    // text that is no id of any history
  };

  /// Nothing was asked for.
  Cursor() = default;

  /// Takes what `text` says. Of one that is longer than an id may be only the beginning is kept.
  static Cursor parse(std::string_view text);

  /// Asks for the newest `count`.
  static Cursor newest(std::size_t count) {
    Cursor cursor;
    cursor.kind_ = Kind::newest;
    cursor.sequence_ = count;
    return cursor;
  }
  /// How many of the newest.
  std::size_t count() const noexcept { return kind_ == Kind::newest ? static_cast<std::size_t>(sequence_) : 0; }

  Kind kind() const noexcept { return kind_; }
  /// Whether anything was asked for.
  explicit operator bool() const noexcept { return kind_ != Kind::none; }

  /// The sequence number of a position in the history `epoch`; nothing when it is no position, or one in another
  /// history.
  std::optional<std::uint64_t> sequence_in(std::string_view epoch) const noexcept;

  /// What was asked for, for whoever is told that it cannot be had.
  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::size_t epoch_size_ = 0;  // of a position: how much of the text is its epoch
  std::uint64_t sequence_ = 0;
  Kind kind_ = Kind::none;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/history/impl/cursor.ipp>
#endif
