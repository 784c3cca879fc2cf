// The one thing about JSON that string concatenation gets wrong.
#pragma once

#include <string>
#include <string_view>

#include <spate/wire/detail/json.hpp>

namespace examples {

/// `text` as a JSON string, quotes included.
inline std::string quoted(std::string_view text) {
  std::string json;
  spate::detail::append_json_string(json, text);
  return json;
}

}  // namespace examples
