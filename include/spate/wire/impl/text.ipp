// The functions of text.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/text.hpp>

namespace spate {

SPATE_DECL std::string json_string(std::string_view text) {
  std::string json;
  detail::append_json_string(json, text);
  return json;
}

}  // namespace spate
