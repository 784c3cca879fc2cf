// The functions of text.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/wire/detail/json.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/utf8.hpp>
#include <spate/wire/text.hpp>

namespace spate {

SPATE_DECL std::string json_string(std::string_view text) {
  std::string json;
  detail::append_json_string(json, text);
  return json;
}

SPATE_DECL std::string quote(std::string_view text) {
  return detail::quote(text);
}

SPATE_DECL bool is_valid_utf8(std::string_view text) noexcept {
  return detail::valid_utf8(text);
}

}  // namespace spate
