// Encodes events for a test in another language, and decodes them again.
//
// Each line of the input is `data|name|id|comment TEXT`, TEXT in hexadecimal: an event in which that field is TEXT and,
// unless it is the data, the data are "data". Each line of the output is JSON: {"refused":"why"}, or {"bytes":"…",
// "events":[…],"comments":[…]} with the encoded bytes in hexadecimal and what EventDecoder makes of them.
#include <cstddef>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <spate/stream/detail/fallback_format.hpp>
#include <spate/wire/decoder.hpp>
#include <spate/wire/encoded_event.hpp>

namespace {

std::string from_hex(std::string_view hex) {
  std::string bytes;
  for (std::size_t at = 0; at + 1 < hex.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(at, 2)), nullptr, 16));
  }
  return bytes;
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex.append(1, digits[byte / 16]).append(1, digits[byte % 16]);
  }
  return hex;
}

spate::Event event_with(std::string_view field, const std::string& text) {
  if (field == "data") return spate::Event(text);
  spate::Event event("data");
  if (field == "name") return event.name(text);
  if (field == "id") return event.id(text);
  if (field == "comment") return event.comment(text);
  throw std::runtime_error("unknown field " + std::string(field));
}

std::string as_json(const spate::EncodedEvent& encoded) {
  std::string events, comments;
  spate::EventDecoder decoder;
  decoder.feed(
      encoded.bytes(),
      [&](const spate::DecodedEvent& event) {
        if (!events.empty()) events += ',';
        spate::detail::append_json_event(events, event, true);
      },
      [&](std::string_view comment) {
        if (!comments.empty()) comments += ',';
        spate::detail::append_json_string(comments, comment);
      });
  return "{\"bytes\":\"" + to_hex(encoded.bytes()) + "\",\"events\":[" + events + "],\"comments\":[" + comments + "]}";
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const std::size_t space = line.find(' ');
    std::string answer;
    try {
      answer = as_json(spate::EncodedEvent(event_with(line.substr(0, space), from_hex(line.substr(space + 1)))));
    } catch (const std::invalid_argument& refused) {
      answer = "{\"refused\":";
      spate::detail::append_json_string(answer, refused.what());
      answer += '}';
    }
    std::cout << answer << '\n';
  }
}
