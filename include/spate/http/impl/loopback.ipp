// The functions of loopback.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/loopback.hpp>

namespace spate::detail {

SPATE_DECL std::optional<Ipv4> parse_ipv4(std::string_view text) noexcept {
  // IPv4address = dec-octet "." dec-octet "." dec-octet "." dec-octet   (RFC 3986 3.2.2)
  // dec-octet = 0 to 255, without zeros in front: some read these as octal
  Ipv4 address{};
  for (std::size_t octet = 0; octet < address.size(); ++octet) {
    if (octet > 0) {
      if (text.empty() || text.front() != '.') return std::nullopt;
      text.remove_prefix(1);
    }
    unsigned value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && is_digit(text[digits]); ++digits) {
      if (digits == 3 || (digits > 0 && value == 0)) return std::nullopt;
      value = value * 10 + static_cast<unsigned>(text[digits] - '0');
    }
    if (digits == 0 || value > 255) return std::nullopt;
    text.remove_prefix(digits);
    address[octet] = static_cast<std::uint8_t>(value);
  }
  return text.empty() ? std::optional(address) : std::nullopt;
}

SPATE_DECL std::optional<Ipv6> parse_ipv6(std::string_view text) noexcept {
  // IPv6address = 8 groups of 1*4HEXDIG between ":", of which "::" once replaces one or more that are zero, and the
  // last two may be an IPv4address   (RFC 3986 3.2.2, RFC 4291 2.2)
  Ipv6 address{};
  std::size_t count = 0;
  std::optional<std::size_t> gap;
  if (text.starts_with("::")) {
    gap = 0;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (count == address.size()) return std::nullopt;
    const std::size_t size = std::min(text.find(':'), text.size());
    const std::string_view group = text.substr(0, size);
    text.remove_prefix(size);
    if (group.find('.') != std::string_view::npos) {
      const auto tail = parse_ipv4(group);
      if (!tail || !text.empty() || count > address.size() - 2) return std::nullopt;
      address[count++] = static_cast<std::uint16_t>((*tail)[0] << 8 | (*tail)[1]);
      address[count++] = static_cast<std::uint16_t>((*tail)[2] << 8 | (*tail)[3]);
      break;
    }
    if (group.empty() || group.size() > 4) return std::nullopt;
    unsigned value = 0;
    for (const char c : group) {
      if (hex_digit(c) < 0) return std::nullopt;
      value = value << 4 | static_cast<unsigned>(hex_digit(c));
    }
    address[count++] = static_cast<std::uint16_t>(value);
    if (text.empty()) break;
    text.remove_prefix(1);
    if (text.empty()) return std::nullopt;  // a colon with nothing after it
    if (text.front() != ':') continue;
    if (gap) return std::nullopt;
    gap = count;
    text.remove_prefix(1);
  }
  if (!gap) return count == address.size() ? std::optional(address) : std::nullopt;
  if (count == address.size()) return std::nullopt;
  std::rotate(address.begin() + static_cast<std::ptrdiff_t>(*gap), address.begin() + static_cast<std::ptrdiff_t>(count),
              address.end());
  return address;
}

SPATE_DECL bool is_loopback(std::string_view host) noexcept {
  if (iequals(host, "localhost") || iequals(host, "localhost.")) return true;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    const auto address = parse_ipv6(host.substr(1, host.size() - 2));
    return address && is_loopback(*address);
  }
  const auto address = parse_ipv4(host);
  return address && is_loopback(*address);
}

}  // namespace spate::detail
