// Which hosts of a URI are this machine, whatever way they are spelt.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>

namespace spate::detail {

using Ipv4 = std::array<std::uint8_t, 4>;
using Ipv6 = std::array<std::uint16_t, 8>;

SPATE_DECL std::optional<Ipv4> parse_ipv4(std::string_view text) noexcept;

/// `text` stands without its brackets.
SPATE_DECL std::optional<Ipv6> parse_ipv6(std::string_view text) noexcept;

constexpr bool is_loopback(const Ipv4& address) noexcept {
  return address[0] == 127;
}

/// Whether `address` is ::1, or an IPv4 address of loopback within IPv6: ::ffff:127.0.0.1.
constexpr bool is_loopback(const Ipv6& address) noexcept {
  for (std::size_t group = 0; group < 5; ++group) {
    if (address[group] != 0) return false;
  }
  if (address[5] == 0xFFFF) return address[6] >> 8 == 127;
  return address[5] == 0 && address[6] == 0 && address[7] == 1;
}

/// Whether `host`, an IPv6 address in its brackets, is this machine by name or address: `localhost`, with or without
/// the dot of the root, 127.0.0.0/8, ::1, and the IPv4 addresses of loopback within IPv6.
SPATE_DECL bool is_loopback(std::string_view host) noexcept;

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/loopback.ipp>
#endif
