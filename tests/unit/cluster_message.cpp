#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include "support/catch.hpp"

using namespace std::chrono_literals;
using spate::Audience;
using spate::Event;
using spate::UserCommand;
using spate::detail::BusMessage;
using spate::detail::BusMessageCodec;
using spate::detail::LogId;

namespace {

const std::vector<std::string> several{"anna", "", "caf\xC3\xA9"};

std::vector<Audience> audiences() {
  return {Audience::user("anna"),  Audience::user(""),        Audience::users(several), Audience::users({}),
          Audience::group(""),     Audience::group("team-"),  Audience::everybody(),    Audience::topic(""),
          Audience::topic("room"), Audience::topics(several), Audience::topics({})};
}

std::vector<Event> events() {
  return {Event(),
          Event("hello"),
          Event(""),
          Event("one\ntwo\n").name("note").retry(3s),
          Event("x").id("42"),
          Event("x").id("").comment("why"),
          Event(std::string(100'000, 'x')).name("caf\xC3\xA9"),
          Event("x").keep(false),
          Event().keep(false).comment("c"),
          Event("x").keep_for(1ms),
          Event("x").retry(1s).keep_for(Event::max_keep_for).keep(false)};
}

std::vector<UserCommand> commands() {
  return {{UserCommand::Kind::remove, "anna", {}},
          {UserCommand::Kind::join, "caf\xC3\xA9", {"room"}},
          {UserCommand::Kind::leave, "anna", {"a", "b", "c"}},
          {UserCommand::Kind::join, "anna", {}}};
}

std::string stamped(std::string text) {
  BusMessageCodec::stamp(text, 0x0123456789ABCDEF, 7);
  return text;
}

std::string encode(const BusMessage& message) {
  return message.command ? BusMessageCodec::encode(*message.command)
                         : BusMessageCodec::encode(message.audience(), message.event);
}

/// From a heap block of exact size, so that a sanitizer sees what reads past it.
std::optional<BusMessage> decode(std::string_view text, std::string* why = nullptr) {
  const std::unique_ptr<char[]> exact(new char[text.size()]);
  std::copy(text.begin(), text.end(), exact.get());
  std::string reason;
  auto message = BusMessageCodec::decode({exact.get(), text.size()}, reason);
  CHECK(reason.empty() == message.has_value());
  if (why != nullptr) *why = reason;
  return message;
}

}  // namespace

TEST_CASE("what goes over the bus comes back as it was", "[cluster][message]") {
  for (const Audience& audience : audiences()) {
    for (const Event& event : events()) {
      const auto message = decode(stamped(BusMessageCodec::encode(audience, event)));
      REQUIRE(message);
      CHECK_FALSE(message->command);
      CHECK(message->origin == 0x0123456789ABCDEF);
      CHECK(message->counter == 7);
      CHECK(message->event == event);
      const Audience same = message->audience();
      CHECK(same.kind() == audience.kind());
      CHECK(same.name() == audience.name());
      CHECK(std::vector<std::string>(same.names().begin(), same.names().end()) ==
            std::vector<std::string>(audience.names().begin(), audience.names().end()));
    }
  }
}

TEST_CASE("a command comes back as it was, with an event for nobody", "[cluster][message]") {
  for (const UserCommand& command : commands()) {
    const auto message = decode(stamped(BusMessageCodec::encode(command)));
    REQUIRE(message);
    CHECK(message->origin == 0x0123456789ABCDEF);
    CHECK(message->counter == 7);
    CHECK(message->command == command);
    CHECK(message->audience().kind() == Audience::Kind::users);
    CHECK(message->audience().names().empty());
    CHECK(message->event == Event().keep(false));
  }
}

TEST_CASE("what older nodes know is written as they write it, and what they do not is of a version that they refuse",
          "[cluster][message]") {
  const std::string origin("\xEF\xCD\xAB\x89\x67\x45\x23\x01", 8), counter("\x07\0\0\0\0\0\0\0", 8);
  const auto number = [](char first) { return std::string(1, first) + std::string(3, '\0'); };
  CHECK(stamped(BusMessageCodec::encode(Audience::user("anna"), Event("hi").retry(1ms))) ==
        "\x01" + origin + counter + std::string(1, '\0') + number(1) + number(4) + "anna" + "\x09" + number(2) + "hi" +
            number(1) + std::string(4, '\0'));
  CHECK(stamped(BusMessageCodec::encode(Audience::topic("t"), Event("hi").keep(false).keep_for(3ms))) ==
        "\x02" + origin + counter + "\x04" + number(1) + number(1) + "t" + "\x61" + number(2) + "hi" + number(3) +
            std::string(4, '\0'));
  CHECK(stamped(BusMessageCodec::encode(UserCommand{UserCommand::Kind::leave, "anna", {"t"}})) ==
        "\x02" + origin + counter + "\x80\x02" + number(4) + "anna" + number(1) + number(1) + "t");
  for (const Audience& audience : audiences()) {
    for (const Event& event : events()) {
      const bool is_new = audience.kind() > Audience::Kind::everybody || !event.kept() || event.kept_for() > 0ms;
      std::string text = BusMessageCodec::encode(audience, event);
      CHECK(text[0] == (is_new ? 2 : 1));
      text[0] = 1;
      CHECK(decode(text).has_value() == !is_new);
    }
  }
  for (const UserCommand& command : commands()) {
    std::string text = BusMessageCodec::encode(command);
    text[0] = 1;
    CHECK_FALSE(decode(text));
  }
}

TEST_CASE("a message cut anywhere, or with something after it, is refused", "[cluster][message]") {
  const std::string whole = BusMessageCodec::encode(Audience::users(several), Event("a").name("b").id("c").retry(1s));
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(decode(std::string_view(whole).substr(0, size)));
  CHECK(decode(whole));
  CHECK_FALSE(decode(whole + "x"));
  for (const std::string& newer :
       {BusMessageCodec::encode(Audience::topics(several), Event("a").keep_for(1s).keep(false)),
        BusMessageCodec::encode(UserCommand{UserCommand::Kind::join, "anna", {"a", "b"}})}) {
    for (std::size_t size = 0; size < newer.size(); ++size) {
      CHECK_FALSE(decode(std::string_view(newer).substr(0, size)));
    }
    CHECK(decode(newer));
    CHECK_FALSE(decode(newer + "x"));
  }
}

TEST_CASE("a message of a newer version says so", "[cluster][message]") {
  std::string text = BusMessageCodec::encode(Audience::everybody(), Event("a")), why;
  text[0] = BusMessageCodec::version + 1;
  CHECK_FALSE(decode(text, &why));
  CHECK(why == "it is of a newer version");
  text[0] = 0;
  CHECK_FALSE(decode(text, &why));
  CHECK(why == "it is no message of any version");
}

TEST_CASE("a message says in what it is malformed", "[cluster][message]") {
  std::string why;
  const auto refused = [&](const std::string& text) {
    CHECK_FALSE(decode(text, &why));
    return why;
  };
  constexpr std::size_t kind = BusMessageCodec::stamp_size, what = kind + 1, flags = kind + 1 + 4;
  std::string text = BusMessageCodec::encode(Audience::everybody(), Event().keep(false));
  text[kind] = 6;
  CHECK(refused(text) == "its audience is unknown");
  text[kind] = 4;
  CHECK(refused(text) == "its audience is malformed");  // a topic without a name
  text[kind] = 3;
  text[flags] = static_cast<char>(0x80);
  CHECK(refused(text) == "its event is malformed");
  text = BusMessageCodec::encode(Audience::everybody(), Event().keep_for(1ms));
  text[text.size() - 8] = 0;
  CHECK(refused(text) == "its event is malformed");  // for no time
  text[text.size() - 1] = 1;
  CHECK(refused(text) == "its event is malformed");  // for longer than any event may ask
  text = BusMessageCodec::encode(UserCommand{UserCommand::Kind::leave, "anna", {}});
  text[what] = 3;
  CHECK(refused(text) == "its command is unknown");
  for (const UserCommand& wrong :
       {UserCommand{UserCommand::Kind::remove, "", {}}, UserCommand{UserCommand::Kind::remove, "anna", {"room"}},
        UserCommand{UserCommand::Kind::join, "anna", {"room", ""}}}) {
    CHECK(refused(BusMessageCodec::encode(wrong)) == "its command is malformed");
  }
}

TEST_CASE("an event is kept for what is left of its time", "[cluster][message]") {
  const auto aged = [](const Event& event, std::chrono::milliseconds age) {
    BusMessage message = BusMessage::of(Audience::everybody(), event);
    message.grow_older(age);
    return message.event;
  };
  CHECK(aged(Event("x").keep_for(5s), 0ms) == Event("x").keep_for(5s));
  CHECK(aged(Event("x").keep_for(5s), -1h) == Event("x").keep_for(5s));  // a clock was set back
  CHECK(aged(Event("x").keep_for(5s), 4999ms) == Event("x").keep_for(1ms));
  CHECK_FALSE(aged(Event("x").keep_for(5s), 5s).kept());
  CHECK(aged(Event("x"), 1h) == Event("x"));
  CHECK(aged(Event("x").keep(false), 1h) == Event("x").keep(false));
}

TEST_CASE("a message cannot forge what an event refuses", "[cluster][message]") {
  // The same bytes, but with line ends in place of harmless ones.
  std::string text = BusMessageCodec::encode(Audience::everybody(), Event("a").name("bXc"));
  text[text.find("bXc") + 1] = '\n';
  CHECK_FALSE(decode(text));
  text = BusMessageCodec::encode(Audience::everybody(), Event("dXe"));
  text[text.find("dXe") + 1] = '\xFF';
  CHECK_FALSE(decode(text));
}

TEST_CASE("no bytes upset the decoder", "[cluster][message]") {
  std::mt19937 random(11);
  std::vector<std::string> seeds;
  for (const Audience& audience : audiences()) {
    for (const Event& event : {Event("hello").name("n").id("i").retry(5s).comment("c"), Event()}) {
      seeds.push_back(BusMessageCodec::encode(audience, event));
      seeds.push_back(BusMessageCodec::encode(audience, Event(event).keep_for(1s).keep(false)));
    }
  }
  for (const UserCommand& command : commands()) seeds.push_back(BusMessageCodec::encode(command));
  std::size_t taken = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (unsigned change = 0; change <= random() % 4; ++change) {
      switch (random() % 4) {
        case 0: text[random() % text.size()] = static_cast<char>(random()); break;
        case 1: text.resize(random() % (text.size() + 1)); break;
        case 2:
          text.insert(random() % (text.size() + 1), std::string(random() % 9, static_cast<char>(random())));
          break;
        default: text.erase(random() % (text.size() + 1), random() % 5); break;
      }
      if (text.empty()) text = "\x01";
    }
    if (const auto message = decode(text)) {
      ++taken;
      // Whatever it is now, it is a message: it goes over the bus again, unchanged.
      const auto again = decode(encode(*message));
      REQUIRE(again);
      CHECK(again->event == message->event);
      CHECK(again->command == message->command);
    }
  }
  CHECK(taken > 100);
  CHECK(taken < 20'000);
}

TEST_CASE("ids of the log are sequence numbers in the same order", "[cluster][log]") {
  CHECK(LogId::parse("0-0") == 0u);
  CHECK(LogId::parse("0-1") == 1u);
  CHECK(LogId::parse("1-0") == 1u << 20);
  CHECK(LogId::format(*LogId::parse("1795350000000-17")) == "1795350000000-17");
  CHECK(*LogId::parse("1795350000000-1048575") < *LogId::parse("1795350000001-0"));
  CHECK(LogId::time_of(*LogId::parse("1795350000000-1048575")) == 1795350000000ms);
  for (const char* text : {"", "-", "1", "1-", "-1", "1-1048576", "17592186044416-0", "1-1x", "x1-1", "1--1", "1-+1",
                           "99999999999999999999-0"}) {
    CAPTURE(text);
    CHECK_FALSE(LogId::parse(text));
  }
}
