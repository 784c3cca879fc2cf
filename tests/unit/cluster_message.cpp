#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
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
using spate::detail::BusMessage;
using spate::detail::BusMessageCodec;
using spate::detail::LogId;

namespace {

const std::vector<std::string> several{"anna", "", "caf\xC3\xA9"};

std::vector<Audience> audiences() {
  return {Audience::user("anna"), Audience::user(""),       Audience::users(several), Audience::users({}),
          Audience::group(""),    Audience::group("team-"), Audience::everybody()};
}

std::vector<Event> events() {
  return {Event(),
          Event("hello"),
          Event(""),
          Event("one\ntwo\n").name("note").retry(3s),
          Event("x").id("42"),
          Event("x").id("").comment("why"),
          Event(std::string(100'000, 'x')).name("caf\xC3\xA9")};
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
      std::string text = BusMessageCodec::encode(audience, event);
      BusMessageCodec::stamp(text, 0x0123456789ABCDEF, 7);
      const auto message = decode(text);
      REQUIRE(message);
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

TEST_CASE("a message cut anywhere, or with something after it, is refused", "[cluster][message]") {
  const std::string whole = BusMessageCodec::encode(Audience::users(several), Event("a").name("b").id("c").retry(1s));
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK_FALSE(decode(std::string_view(whole).substr(0, size)));
  CHECK(decode(whole));
  CHECK_FALSE(decode(whole + "x"));
}

TEST_CASE("a message of a newer version says so", "[cluster][message]") {
  std::string text = BusMessageCodec::encode(Audience::everybody(), Event("a")), why;
  text[0] = BusMessageCodec::version + 1;
  CHECK_FALSE(decode(text, &why));
  CHECK(why == "it is of a newer version");
  text[0] = 0;
  CHECK_FALSE(decode(text, &why));
  CHECK(why == "it is no message of this version");
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
    }
  }
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
      const auto again = decode(BusMessageCodec::encode(message->audience(), message->event));
      REQUIRE(again);
      CHECK(again->event == message->event);
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
  for (const char* text : {"", "-", "1", "1-", "-1", "1-1048576", "17592186044416-0", "1-1x", "x1-1", "1--1", "1-+1",
                           "99999999999999999999-0"}) {
    CAPTURE(text);
    CHECK_FALSE(LogId::parse(text));
  }
}
