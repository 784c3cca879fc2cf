// The one thing about JSON that string concatenation gets wrong.
#pragma once

#include <string>
#include <string_view>

#include <spate/wire/text.hpp>

namespace examples {

/// `text` as a JSON string, quotes included.
inline std::string quoted(std::string_view text) {
  return spate::json_string(text);
}

}  // namespace examples
