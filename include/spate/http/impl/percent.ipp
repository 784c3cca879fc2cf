// The functions of percent.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/percent.hpp>

namespace spate {

SPATE_DECL std::string percent_encode(std::string_view text) {
  constexpr char hex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
  for (const char c : text) {
    if (detail::is_alpha(c) || detail::is_digit(c) || std::string_view("-._~").find(c) != std::string_view::npos) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded.append({'%', hex[byte >> 4], hex[byte & 15]});
  }
  return encoded;
}

SPATE_DECL std::optional<std::string> percent_decode(std::string_view text) {
  if (!detail::well_formed_percent(text)) return std::nullopt;
  return detail::percent_decode(text, detail::Plus::literal);
}

}  // namespace spate
