// The parts of a request target, of a host with its port, and of an origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>

namespace spate::detail {

struct Target {
  std::string_view scheme;     // of the absolute form only
  std::string_view authority;  // of the absolute form only
  std::string_view path;
  std::string_view query;
};

SPATE_DECL Target split_target(std::string_view text) noexcept;

struct HostPort {
  std::string_view host;  // with its brackets when it is an IPv6 address
  std::optional<std::uint16_t> port;
};

/// The parts of `text`, or nothing when it is not the host of an http URI.
SPATE_DECL std::optional<HostPort> parse_host(std::string_view text) noexcept;

struct Origin {
  std::string_view scheme;
  std::string_view host;
  std::optional<std::uint16_t> port;
};

/// The parts of `text`, or nothing when it is not the serialisation of an origin; "null" is none with parts.
SPATE_DECL std::optional<Origin> parse_origin(std::string_view text) noexcept;

/// `port`, or the one that goes without saying; 0 where there is none.
constexpr std::uint16_t port_or_default(std::optional<std::uint16_t> port, std::string_view scheme) noexcept {
  if (port) return *port;
  return iequals(scheme, "https") ? 443 : iequals(scheme, "http") ? 80 : 0;
}

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/target.ipp>
#endif
