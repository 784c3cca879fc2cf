// The functions of gap_event.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/gap_event.hpp>

namespace spate::detail {

SPATE_DECL EncodedEvent encode_gap(std::string_view name, std::string_view requested, std::string_view oldest,
                                   std::string_view reason, std::string_view position) {
  const auto text_or_null = [](std::string& out, std::string_view text) {
    if (text.empty()) {
      out += "null";
    } else {
      append_json_string(out, text);
    }
  };
  std::string data = "{\"requested\":";
  text_or_null(data, requested);
  data += ",\"oldest\":";
  text_or_null(data, oldest);
  data += ",\"reason\":";
  append_json_string(data, reason);
  data += '}';
  // The cursor that was asked for is text from outside.
  Event event = Event::repaired(data).name(name);
  if (!position.empty()) event.id(position);
  return EncodedEvent(event);
}

}  // namespace spate::detail
