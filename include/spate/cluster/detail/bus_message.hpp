// An event and its audience as they go through Redis.
//
//   message  = version origin counter audience event      integers are little-endian
//   version  = %x01
//   origin   = 8OCTET                ; the process that sent it, a random number
//   counter  = 8OCTET                ; its events counted from 1
//   audience = kind count *text      ; count = 4OCTET: the texts that follow; one but for a set of users
//   event    = flags [data] [name] [id] [retry] [comment]    ; those whose bit is set, in this order
//   text     = size *OCTET           ; size = 4OCTET
//
// What comes from Redis may be anybody's: everything is checked, and an event is built like any other.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/history/audience.hpp>
#include <spate/wire/event.hpp>

namespace spate::detail {

struct BusMessage {
  std::uint64_t origin = 0;
  std::uint64_t counter = 0;
  Audience::Kind kind = Audience::Kind::everybody;
  std::vector<std::string> names;
  Event event;

  /// Lives no longer than this.
  Audience audience() const noexcept {
    switch (kind) {
      case Audience::Kind::user: return Audience::user(names.front());
      case Audience::Kind::users: return Audience::users(names);
      case Audience::Kind::group: return Audience::group(names.front());
      case Audience::Kind::topic: return Audience::topic(names.front());
      case Audience::Kind::topics: return Audience::topics(names);
      case Audience::Kind::everybody: break;
    }
    return Audience::everybody();
  }
};

class BusMessageCodec {
 public:
  static constexpr std::uint8_t version = 1;

  /// `origin` and the counter are set by `stamp`, which needs not wait for the rest.
  static std::string encode(const Audience& audience, const Event& event) {
    std::string out;
    out.push_back(static_cast<char>(version));
    out.resize(stamp_size);
    out.push_back(static_cast<char>(audience.kind()));
    switch (audience.kind()) {
      case Audience::Kind::user:
      case Audience::Kind::group:
      case Audience::Kind::topic:
        put_number(out, 1, 4);
        put_text(out, audience.name());
        break;
      case Audience::Kind::users:
      case Audience::Kind::topics:
        put_number(out, audience.names().size(), 4);
        for (const std::string& name : audience.names()) put_text(out, name);
        break;
      case Audience::Kind::everybody: put_number(out, 0, 4); break;
    }
    unsigned flags = 0;
    if (event.data()) flags |= has_data;
    if (!event.name().empty()) flags |= has_name;
    if (event.id()) flags |= has_id;
    if (event.retry()) flags |= has_retry;
    if (event.comment()) flags |= has_comment;
    out.push_back(static_cast<char>(flags));
    if (event.data()) put_text(out, *event.data());
    if (!event.name().empty()) put_text(out, event.name());
    if (event.id()) put_text(out, *event.id());
    if (event.retry()) put_number(out, static_cast<std::uint64_t>(event.retry()->count()), 8);
    if (event.comment()) put_text(out, *event.comment());
    return out;
  }

  static void stamp(std::string& message, std::uint64_t origin, std::uint64_t counter) {
    std::string stamp;
    put_number(stamp, origin, 8);
    put_number(stamp, counter, 8);
    std::copy(stamp.begin(), stamp.end(), message.begin() + 1);
  }

  /// The beginning of `message`, which no other message shares: its version, origin and counter.
  static std::string_view stamp_of(std::string_view message) noexcept { return message.substr(0, stamp_size); }
  static constexpr std::size_t stamp_size = 1 + 8 + 8;

  /// Nothing when it is no message of this version; then `why` says in what.
  static std::optional<BusMessage> decode(std::string_view in, std::string& why) {
    try {
      return BusMessageCodec(in).message();
    } catch (const std::invalid_argument& error) {
      why = error.what();
      return std::nullopt;
    }
  }

 private:
  enum : unsigned { has_data = 1, has_name = 2, has_id = 4, has_retry = 8, has_comment = 16, all_flags = 31 };

  explicit BusMessageCodec(std::string_view in) noexcept : in_(in) {}

  static void put_number(std::string& out, std::uint64_t number, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i) & 0xFF));
  }
  static void put_text(std::string& out, std::string_view text) {
    put_number(out, text.size(), 4);
    out += text;
  }

  static void require(bool condition, const char* why) {
    if (!condition) throw std::invalid_argument(why);
  }

  BusMessage message() {
    const std::uint64_t its_version = number(1);
    require(its_version <= version, "it is of a newer version");
    require(its_version == version, "it is no message of this version");
    BusMessage message;
    message.origin = number(8);
    message.counter = number(8);
    const std::uint64_t kind = number(1);
    require(kind <= static_cast<std::uint64_t>(Audience::Kind::everybody), "its audience is unknown");
    message.kind = static_cast<Audience::Kind>(kind);
    const std::uint64_t count = number(4);
    const bool single = message.kind == Audience::Kind::user || message.kind == Audience::Kind::group;
    require(single ? count == 1 : message.kind == Audience::Kind::users || count == 0, "its audience is malformed");
    // Each text takes four bytes at the least, so a made-up count reserves nothing it does not pay for.
    require(count <= in_.size() / 4, "it ends too early");
    message.names.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) message.names.push_back(text());
    const std::uint64_t flags = number(1);
    require((flags & ~std::uint64_t{all_flags}) == 0, "its event is malformed");
    if ((flags & has_data) != 0) message.event = Event(text());
    if ((flags & has_name) != 0) message.event.name(text());
    if ((flags & has_id) != 0) message.event.id(text());
    if ((flags & has_retry) != 0) {
      const std::uint64_t retry = number(8);
      require(retry <= static_cast<std::uint64_t>(Event::max_retry.count()), "its event is malformed");
      message.event.retry(std::chrono::milliseconds(static_cast<std::int64_t>(retry)));
    }
    if ((flags & has_comment) != 0) message.event.comment(text());
    require(in_.empty(), "something follows its end");
    return message;
  }

  std::uint64_t number(std::size_t bytes) {
    require(in_.size() >= bytes, "it ends too early");
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(in_[i])) << (8 * i);
    }
    in_.remove_prefix(bytes);
    return value;
  }

  std::string text() {
    const std::uint64_t size = number(4);
    require(in_.size() >= size, "it ends too early");
    std::string text(in_.substr(0, static_cast<std::size_t>(size)));
    in_.remove_prefix(static_cast<std::size_t>(size));
    return text;
  }

  std::string_view in_;
};

}  // namespace spate::detail
