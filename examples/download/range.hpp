// Which bytes of a file a request asks for. (RFC 9110 14)
#pragma once

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace download {

struct Range {
  enum Kind {
    whole,          // answer 200
    part,           // answer 206
    unsatisfiable,  // answer 416
  };
  Kind kind = whole;
  std::uint64_t first = 0;
  std::uint64_t size = 0;
};

namespace detail {

// Digits only, and one or more of them; a number too large to hold lies beyond every file.
inline std::optional<std::uint64_t> position(std::string_view text) {
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace detail

/// The range that `field` asks for of `size` bytes. A field that cannot be understood, or names several ranges, is
/// ignored, as the standard allows.
///
///   bytes=0-499   bytes=500-   bytes=-500
inline Range select_range(std::string_view field, std::uint64_t size) {
  constexpr std::string_view unit = "bytes=";
  const Range all{Range::whole, 0, size};
  if (!field.starts_with(unit)) return all;
  field.remove_prefix(unit.size());
  const std::size_t dash = field.find('-');
  if (dash == std::string_view::npos) return all;
  const auto first = detail::position(field.substr(0, dash));
  const auto last = detail::position(field.substr(dash + 1));
  if (dash == 0) {
    if (!last) return all;
    const std::uint64_t wanted = *last < size ? *last : size;
    return wanted == 0 ? Range{Range::unsatisfiable, 0, 0} : Range{Range::part, size - wanted, wanted};
  }
  const bool open_ended = dash + 1 == field.size();
  if (!first || (!last && !open_ended) || (last && *last < *first)) return all;
  if (*first >= size) return {Range::unsatisfiable, 0, 0};
  const std::uint64_t end = last && *last < size - 1 ? *last + 1 : size;
  return {Range::part, *first, end - *first};
}

}  // namespace download
