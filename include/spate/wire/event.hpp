// An Event is one thing to tell a client: data, and optionally a name, an id, a reconnection time, a comment.
//
//   spate::Event("hello");
//   spate::Event(json).name("memory").id("42").retry(3s);
//   spate::Event().comment("still here");
//   spate::Event("alice is typing").keep(false);        // for who is listening now, and never replayed
//   spate::Event("door open").keep_for(10min);
//
// A value type without threads of its own: one thread at a time may change it, any number may read it. What cannot
// be sent is refused when the event is built, by `std::invalid_argument` that quotes the offending text, so that no
// text from outside can end a field early and forge another one. (WHATWG 9.2.5, 9.2.6)
//
// It is a class with constructors and never an aggregate: GCC 12 destroys an aggregate temporary twice when it
// stands inside a `co_await` expression.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <spate/config.hpp>

namespace spate {

class Event {
 public:
  /// Bytes of data, name, id or comment above which an event is refused. Sizes on the wire are 32-bit, and data of line
  /// ends alone grow sevenfold: this keeps the sum of the four below 4 GiB.
  static constexpr std::size_t max_bytes = std::size_t{256} << 20;
  /// The longest reconnection time accepted. A client told to wait longer than a day has been told to go away.
  /// (WHATWG 9.2.6)
  static constexpr std::chrono::milliseconds max_retry = std::chrono::hours(24);
  /// The longest time that an event may ask to be kept: a hundred years.
  static constexpr std::chrono::milliseconds max_keep_for = std::chrono::hours(24 * 365 * 100);

  /// An event without data. Clients do not dispatch it, but its id and reconnection time count, and a comment keeps
  /// the connection busy. (WHATWG 9.2.6, 9.2.7)
  Event() = default;

  /// An event that carries `data`; empty data is legal and is dispatched. (WHATWG 9.2.6)
  ///
  /// Line ends are normalised here, once: CR and CRLF become LF, because clients join data lines with LF. Use
  /// base64 or JSON where exact bytes matter. (WHATWG 9.2.6)
  ///
  /// Throws `std::invalid_argument` unless `data` is valid UTF-8 (WHATWG 9.2.5); see `repaired`.
  explicit Event(std::string data);
  explicit Event(std::string_view data);
  explicit Event(const char* data);
  explicit Event(std::nullptr_t) = delete;

  /// An event that carries `data` with each ill-formed UTF-8 sequence replaced by U+FFFD.
  static Event repaired(std::string_view data);

  /// Sets the event's name, its type in the browser. Empty means absent: the client sees `message`. (WHATWG 9.2.6)
  /// Throws `std::invalid_argument` on CR, LF or invalid UTF-8.
  Event& name(std::string_view name) &;
  Event&& name(std::string_view name) && { return std::move(this->name(name)); }

  /// Sets the id that the client gives back in `Last-Event-ID`. An empty id is not an absent one: it makes the
  /// client forget the last. (WHATWG 9.2.6) Visible ASCII of at most 128 bytes reconnects across origins without a
  /// preflight. (Fetch 2.2.2)
  /// Throws `std::invalid_argument` on CR, LF, NUL (WHATWG 9.2.6) or invalid UTF-8.
  Event& id(std::string_view id) &;
  Event&& id(std::string_view id) && { return std::move(this->id(id)); }

  /// Sets the time after which the client reconnects, to the millisecond. (WHATWG 9.2.6)
  /// Throws `std::invalid_argument` when it is negative or above `max_retry`.
  Event& retry(std::chrono::milliseconds retry) &;
  Event&& retry(std::chrono::milliseconds retry) && { return std::move(this->retry(retry)); }

  /// Sets a comment, which clients ignore; each line of it is sent as a comment of its own. (WHATWG 9.2.5, 9.2.7)
  /// Throws `std::invalid_argument` on invalid UTF-8.
  Event& comment(std::string_view comment) &;
  Event&& comment(std::string_view comment) && { return std::move(this->comment(comment)); }

  /// Whether an Emitter keeps it for those who come back. One that is not kept reaches who is listening now; it has no
  /// id, moves no client's position, and whoever misses it is told of no gap. Clients see nothing of this.
  Event& keep(bool keep) & noexcept;
  Event&& keep(bool keep) && noexcept { return std::move(this->keep(keep)); }

  /// Sets how long an Emitter keeps it at the most, to the millisecond. Who comes later is told of no gap: it has
  /// expired. Throws `std::invalid_argument` unless it is positive and at most `max_keep_for`.
  Event& keep_for(std::chrono::milliseconds time) &;
  Event&& keep_for(std::chrono::milliseconds time) && { return std::move(this->keep_for(time)); }

  /// The data with its line ends normalised, or nothing for an event without data.
  const std::optional<std::string>& data() const noexcept { return data_; }
  /// The name; empty when absent.
  const std::string& name() const noexcept { return name_; }
  const std::optional<std::string>& id() const noexcept { return id_; }
  const std::optional<std::chrono::milliseconds>& retry() const noexcept { return retry_; }
  const std::optional<std::string>& comment() const noexcept { return comment_; }
  bool kept() const noexcept { return kept_; }
  /// How long it is kept at the most; zero: as long as the store's limits allow.
  std::chrono::milliseconds kept_for() const noexcept { return kept_for_; }

  bool operator==(const Event& other) const;

 private:
  static void refuse(std::string_view text, std::string_view forbidden, const char* field);

  static std::string checked(std::string&& text, const char* field);

  static std::string normalised(std::string&& text);

  std::optional<std::string> data_;
  std::string name_;
  std::optional<std::string> id_;
  std::optional<std::chrono::milliseconds> retry_;
  std::optional<std::string> comment_;
  std::chrono::milliseconds kept_for_{0};
  bool kept_ = true;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/event.ipp>
#endif
