// The small words of HTTP: tokens, lists of them, and names that differ in case only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spate::detail {

constexpr char ascii_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

constexpr bool is_alpha(char c) noexcept {
  const char lower = ascii_lower(c);
  return lower >= 'a' && lower <= 'z';
}

/// Whether the texts are the same but for the case of ASCII letters.
constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t at = 0; at < a.size(); ++at) {
    if (a[at] != b[at] && ascii_lower(a[at]) != ascii_lower(b[at])) return false;
  }
  return true;
}

// What a byte may be part of; a byte may be of several classes.
enum CharClass : std::uint8_t {
  token_char = 1,   // tchar (RFC 9110 5.6.2)
  target_char = 2,  // visible ASCII but "#", which would begin a fragment (RFC 9112 3.2)
  field_char = 4,   // HTAB, SP, visible ASCII and obs-text: what a field value may hold (RFC 9110 5.5; RFC 9112 5.1)
  host_char = 8,    // unreserved, sub-delims and "%": what a reg-name may hold (RFC 3986 3.2.2)
};

inline constexpr std::array<std::uint8_t, 256> char_classes = [] {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (is_alpha(c) || is_digit(c)) classes[byte] |= token_char | host_char;
    if (byte > 0x20 && byte < 0x7F && c != '#') classes[byte] |= target_char;
    if (byte == '\t' || (byte >= 0x20 && byte != 0x7F)) classes[byte] |= field_char;
  }
  // tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
  for (const char mark : std::string_view("!#$%&'*+-.^_`|~")) classes[static_cast<unsigned char>(mark)] |= token_char;
  for (const char mark : std::string_view("-._~%!$&'()*+,;=")) classes[static_cast<unsigned char>(mark)] |= host_char;
  return classes;
}();

constexpr bool is_a(CharClass wanted, char c) noexcept {
  return (char_classes[static_cast<unsigned char>(c)] & wanted) != 0;
}

constexpr bool is_token_char(char c) noexcept {
  return is_a(token_char, c);
}

constexpr bool is_token(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_token_char(c)) return false;
  }
  return !text.empty();
}

/// Whether `text` may be the value of a field.
constexpr bool is_field_text(std::string_view text) noexcept {
  for (const char c : text) {
    if (!is_a(field_char, c)) return false;
  }
  return true;
}

/// `text` without the spaces and tabs around it.
constexpr std::string_view trim(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Takes the front of `list` up to the next `separator` outside a quoted string, and trims it.
constexpr std::string_view take_element(std::string_view& list, char separator) noexcept {
  bool quoted = false;
  std::size_t at = 0;
  for (; at < list.size(); ++at) {
    if (quoted && list[at] == '\\') {
      ++at;
    } else if (list[at] == '"') {
      quoted = !quoted;
    } else if (list[at] == separator && !quoted) {
      break;
    }
  }
  const bool last = at >= list.size();
  const std::string_view element = list.substr(0, at);
  list.remove_prefix(last ? list.size() : at + 1);
  return trim(element);
}

/// Whether `list`, a comma-separated field value, has `token` among its elements, in any case. (RFC 9110 5.6.1)
constexpr bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    if (iequals(take_element(list, ','), token)) return true;
  }
  return false;
}

/// Whether `parameters` (";"-separated) contain a weight of zero, which means "not this". (RFC 9110 12.4.2)
constexpr bool weighs_nothing(std::string_view parameters) noexcept {
  while (!parameters.empty()) {
    std::string_view parameter = take_element(parameters, ';');
    if (parameter.size() < 3 || ascii_lower(parameter[0]) != 'q' || parameter[1] != '=') continue;
    // qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )
    return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
  }
  return false;
}

/// Whether an `Accept` field admits the media type `type` ("text/event-stream"); the most exact range that names it
/// decides, and an empty field admits everything. (RFC 9110 12.5.1)
constexpr bool accepts(std::string_view accept, std::string_view type) noexcept {
  if (trim(accept).empty()) return true;
  const std::string_view main_type = type.substr(0, type.find('/') + 1);
  int best = 0;
  bool admitted = false;
  while (!accept.empty()) {
    std::string_view parameters = take_element(accept, ',');
    const std::string_view range = take_element(parameters, ';');
    int exactness = 0;
    if (iequals(range, type)) {
      exactness = 3;
    } else if (range.size() == main_type.size() + 1 && range.back() == '*' &&
               iequals(range.substr(0, main_type.size()), main_type)) {
      exactness = 2;
    } else if (range == "*/*") {
      exactness = 1;
    }
    if (exactness > best) {
      best = exactness;
      admitted = !weighs_nothing(parameters);
    }
  }
  return admitted;
}

/// Whether an `Accept-Encoding` field admits the coding `coding`, in any case; the element that names it decides, and
/// "*" stands for all that are not named. An empty field admits none. (RFC 9110 12.5.3)
constexpr bool admits_coding(std::string_view accept, std::string_view coding) noexcept {
  bool admitted = false;
  while (!accept.empty()) {
    std::string_view parameters = take_element(accept, ',');
    const std::string_view name = take_element(parameters, ';');
    if (iequals(name, coding)) return !weighs_nothing(parameters);
    if (name == "*") admitted = !weighs_nothing(parameters);
  }
  return admitted;
}

}  // namespace spate::detail
