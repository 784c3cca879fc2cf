// The functions of percent.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>

namespace spate::detail {

SPATE_DECL std::string percent_decode(std::string_view text, Plus plus) {
  const bool has_space = plus == Plus::space && text.find('+') != std::string_view::npos;
  if (!has_space && text.find('%') == std::string_view::npos) return std::string(text);
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%' && text.size() - at >= 3) {
      const int high = hex_digit(text[at + 1]);
      const int low = hex_digit(text[at + 2]);
      if (high >= 0 && low >= 0) {
        decoded += static_cast<char>(high * 16 + low);
        at += 2;
        continue;
      }
    }
    decoded += text[at] == '+' && plus == Plus::space ? ' ' : text[at];
  }
  return decoded;
}

}  // namespace spate::detail
