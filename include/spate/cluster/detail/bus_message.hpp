// An event and its audience, or a command, as they go through Redis.
//
//   message  = version origin counter (audience event / command)      integers are little-endian
//   version  = %x01 / %x02           ; 2 when it has anything that is marked so below: what does not, older nodes read
//   origin   = 8OCTET                ; the process that sent it, a random number
//   counter  = 8OCTET                ; its events and commands counted from 1
//   audience = kind texts            ; 0 a user, 1 users, 2 a group, 3 everybody, 4 a topic (2), 5 topics (2);
//                                    ; one text, but as many as there are for 1 and 5, and none for 3
//   event    = flags [data] [name] [id] [retry] [comment] [keep_for]   ; those whose bit is set, in this order
//   flags    = OCTET                 ; from the lowest bit: the six above, of which keep_for is (2), and not kept (2)
//   retry    = 8OCTET                ; in ms, as is keep_for; the others are texts
//   command  = %x80 what user texts  ; (2) what: 0 remove, 1 join, 2 leave; the texts are topics
//   texts    = count *text           ; count = 4OCTET
//   text     = size *OCTET           ; size = 4OCTET
//
// What comes from Redis may be anybody's: everything is checked, and an event is built like any other.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/history/audience.hpp>
#include <spate/registry/bus.hpp>
#include <spate/wire/event.hpp>

namespace spate::detail {

struct BusMessage {
  std::uint64_t origin = 0;
  std::uint64_t counter = 0;
  Audience::Kind kind = Audience::Kind::everybody;
  std::vector<std::string> names;
  Event event;
  std::optional<UserCommand> command;  // in place of an event

  static BusMessage of(const Audience& audience, const Event& event) {
    BusMessage message;
    message.kind = audience.kind();
    if (names_several(audience.kind())) {
      message.names.assign(audience.names().begin(), audience.names().end());
    } else if (audience.kind() != Audience::Kind::everybody) {
      message.names.emplace_back(audience.name());
    }
    message.event = event;
    return message;
  }

  /// In a log a command stands for an event that nobody gets.
  static BusMessage of(const UserCommand& command) {
    BusMessage message;
    message.kind = Audience::Kind::users;
    message.event.keep(false);
    message.command = command;
    return message;
  }

  static bool names_several(Audience::Kind kind) noexcept {
    return kind == Audience::Kind::users || kind == Audience::Kind::topics;
  }

  /// It was put into a log `age` ago, and its event is to be kept for so much less. One that has expired is not to be
  /// kept any more.
  void grow_older(std::chrono::milliseconds age) {
    if (event.kept_for().count() == 0 || age.count() <= 0) return;
    if (age < event.kept_for()) {
      event.keep_for(event.kept_for() - age);
    } else {
      event.keep(false);
    }
  }

  /// Lives no longer than this.
  Audience audience() const noexcept { return Audience::of(kind, names); }
};

class BusMessageCodec {
 public:
  static constexpr std::uint8_t version = 2;

  /// `origin` and the counter are set by `stamp`, which needs not wait for the rest.
  static std::string encode(const Audience& audience, const Event& event) {
    unsigned flags = 0;
    if (event.data()) flags |= has_data;
    if (!event.name().empty()) flags |= has_name;
    if (event.id()) flags |= has_id;
    if (event.retry()) flags |= has_retry;
    if (event.comment()) flags |= has_comment;
    if (event.kept_for().count() > 0) flags |= has_keep_for;
    if (!event.kept()) flags |= not_kept;
    std::string out = begin(audience.kind() <= Audience::Kind::everybody && flags <= first_flags ? 1 : version);
    out.push_back(static_cast<char>(audience.kind()));
    if (BusMessage::names_several(audience.kind())) {
      put_texts(out, audience.names());
    } else {
      const bool named = audience.kind() != Audience::Kind::everybody;
      put_number(out, named ? 1 : 0, 4);
      if (named) put_text(out, audience.name());
    }
    out.push_back(static_cast<char>(flags));
    if (event.data()) put_text(out, *event.data());
    if (!event.name().empty()) put_text(out, event.name());
    if (event.id()) put_text(out, *event.id());
    if (event.retry()) put_number(out, static_cast<std::uint64_t>(event.retry()->count()), 8);
    if (event.comment()) put_text(out, *event.comment());
    if (event.kept_for().count() > 0) put_number(out, static_cast<std::uint64_t>(event.kept_for().count()), 8);
    return out;
  }

  static std::string encode(const UserCommand& command) {
    std::string out = begin(version);
    out.push_back(static_cast<char>(is_command));
    out.push_back(static_cast<char>(command.kind));
    put_text(out, command.user);
    put_texts(out, command.topics);
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

  /// Nothing when it is no message of a known version; then `why` says in what.
  static std::optional<BusMessage> decode(std::string_view in, std::string& why) {
    try {
      return BusMessageCodec(in).message();
    } catch (const std::invalid_argument& error) {
      why = error.what();
      return std::nullopt;
    }
  }

 private:
  enum : unsigned {
    has_data = 1,
    has_name = 2,
    has_id = 4,
    has_retry = 8,
    has_comment = 16,
    first_flags = 31,  // of version 1
    has_keep_for = 32,
    not_kept = 64,
    all_flags = 127,
  };
  static constexpr std::uint8_t is_command = 0x80;  // where the kind of an audience stands

  explicit BusMessageCodec(std::string_view in) noexcept : in_(in) {}

  static void put_number(std::string& out, std::uint64_t number, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i) & 0xFF));
  }
  static void put_text(std::string& out, std::string_view text) {
    put_number(out, text.size(), 4);
    out += text;
  }

  static void put_texts(std::string& out, std::span<const std::string> texts) {
    put_number(out, texts.size(), 4);
    for (const std::string& text : texts) put_text(out, text);
  }

  static std::string begin(std::uint8_t of_version) {
    std::string out(stamp_size, '\0');
    out[0] = static_cast<char>(of_version);
    return out;
  }

  static void require(bool condition, const char* why) {
    if (!condition) throw std::invalid_argument(why);
  }

  BusMessage message() {
    const std::uint64_t its_version = number(1);
    require(its_version <= version, "it is of a newer version");
    require(its_version >= 1, "it is no message of any version");
    const bool is_first = its_version == 1;
    const std::uint64_t origin = number(8), counter = number(8), kind = number(1);
    BusMessage message = kind == is_command && !is_first ? BusMessage::of(command()) : told(kind, is_first);
    message.origin = origin;
    message.counter = counter;
    require(in_.empty(), "something follows its end");
    return message;
  }

  UserCommand command() {
    UserCommand command;
    const std::uint64_t kind = number(1);
    require(kind <= static_cast<std::uint64_t>(UserCommand::Kind::leave), "its command is unknown");
    command.kind = static_cast<UserCommand::Kind>(kind);
    command.user = text();
    command.topics = texts(number(4));
    const auto is_empty = [](const std::string& topic) { return topic.empty(); };
    const bool sound = !command.user.empty() && std::none_of(command.topics.begin(), command.topics.end(), is_empty);
    require(sound && (command.kind != UserCommand::Kind::remove || command.topics.empty()), "its command is malformed");
    return command;
  }

  // An event for an audience of this kind.
  BusMessage told(std::uint64_t kind, bool is_first) {
    const Audience::Kind last = is_first ? Audience::Kind::everybody : Audience::Kind::topics;
    require(kind <= static_cast<std::uint64_t>(last), "its audience is unknown");
    BusMessage message;
    message.kind = static_cast<Audience::Kind>(kind);
    const std::uint64_t count = number(4), wanted = message.kind == Audience::Kind::everybody ? 0 : 1;
    require(count == wanted || BusMessage::names_several(message.kind), "its audience is malformed");
    message.names = texts(count);
    const std::uint64_t flags = number(1);
    require(flags <= (is_first ? first_flags : all_flags), "its event is malformed");
    if ((flags & has_data) != 0) message.event = Event(text());
    if ((flags & has_name) != 0) message.event.name(text());
    if ((flags & has_id) != 0) message.event.id(text());
    if ((flags & has_retry) != 0) {
      const std::uint64_t retry = number(8);
      require(retry <= static_cast<std::uint64_t>(Event::max_retry.count()), "its event is malformed");
      message.event.retry(std::chrono::milliseconds(static_cast<std::int64_t>(retry)));
    }
    if ((flags & has_comment) != 0) message.event.comment(text());
    if ((flags & has_keep_for) != 0) {
      const std::uint64_t time = number(8);
      require(time > 0 && time <= static_cast<std::uint64_t>(Event::max_keep_for.count()), "its event is malformed");
      message.event.keep_for(std::chrono::milliseconds(static_cast<std::int64_t>(time)));
    }
    message.event.keep((flags & not_kept) == 0);
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

  std::vector<std::string> texts(std::uint64_t count) {
    // Each text takes four bytes at the least, so a made-up count reserves nothing it does not pay for.
    require(count <= in_.size() / 4, "it ends too early");
    std::vector<std::string> texts;
    texts.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) texts.push_back(text());
    return texts;
  }

  std::string_view in_;
};

}  // namespace spate::detail
