// Any bytes as a message from Redis: refused with a reason, or an event and its audience, or a command, that are sent
// on unchanged.
#include <string>
#include <string_view>

#include <spate/cluster/detail/bus_message.hpp>
#include <spate/cluster/detail/log_id.hpp>
#include "fuzz/fuzz.hpp"

using namespace spate;
using detail::BusMessageCodec;
using test::require;

void fuzz(std::string_view input) {
  if (const auto sequence = detail::LogId::parse(input)) {
    require(detail::LogId::parse(detail::LogId::format(*sequence)) == sequence, "an id has one meaning", input);
  }

  std::string why;
  const auto message = BusMessageCodec::decode(input, why);
  require(message.has_value() == why.empty(), "a refusal has its reason", input);
  if (!message) return;
  std::string encoded = message->command ? BusMessageCodec::encode(*message->command)
                                         : BusMessageCodec::encode(message->audience(), message->event);
  BusMessageCodec::stamp(encoded, message->origin, message->counter);
  // Line ends were normalised, and an empty name is none.
  require(encoded.size() <= input.size(), "nothing is added", input);
  const auto again = BusMessageCodec::decode(encoded, why);
  require(again.has_value(), "what is sent on is understood", encoded);
  require(again->origin == message->origin && again->counter == message->counter, "its stamp stays", encoded);
  require(again->kind == message->kind && again->names == message->names, "its audience stays", encoded);
  require(again->event == message->event, "its event stays", encoded);
  require(again->command == message->command, "its command stays", encoded);
  // What an older node can read, it is given to read.
  require(encoded[0] <= input[0], "it becomes of no newer version", input);

  // It ends where it says, and nowhere else.
  for (std::size_t size = 0; size < input.size() && input.size() < 256; ++size) {
    require(!BusMessageCodec::decode(test::Piece(input.substr(0, size)).view(), why), "half of it is refused", input);
  }
  require(!BusMessageCodec::decode(std::string(input) + "x", why), "and so is more", input);
}
