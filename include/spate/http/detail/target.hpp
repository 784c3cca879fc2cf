// The parts of a request target, of a host with its port, and of an origin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <spate/http/detail/percent.hpp>
#include <spate/http/detail/tokens.hpp>

namespace spate::detail {

struct Target {
  std::string_view scheme;     // of the absolute form only
  std::string_view authority;  // of the absolute form only
  std::string_view path;
  std::string_view query;
};

inline Target split_target(std::string_view text) noexcept {
  // request-target = absolute-path [ "?" query ]  /  scheme "://" authority [ path ] [ "?" query ]  /  "*"
  // (RFC 9112 3.2; the authority form belongs to CONNECT alone)
  Target target;
  const std::size_t question = text.find('?');
  target.path = text.substr(0, question);
  if (question != std::string_view::npos) target.query = text.substr(question + 1);
  if (target.path.empty() || target.path.front() == '/') return target;
  const std::size_t colon = target.path.find("://");
  if (colon == std::string_view::npos) return target;
  target.scheme = target.path.substr(0, colon);
  target.authority = target.path.substr(colon + 3);
  const std::size_t slash = target.authority.find('/');
  target.path = slash == std::string_view::npos ? std::string_view() : target.authority.substr(slash);
  target.authority = target.authority.substr(0, slash);
  return target;
}

struct HostPort {
  std::string_view host;  // with its brackets when it is an IPv6 address
  std::optional<std::uint16_t> port;
};

/// The parts of `text`, or nothing when it is not the host of an http URI.
inline std::optional<HostPort> parse_host(std::string_view text) noexcept {
  // Host = uri-host [ ":" port ],  uri-host = IP-literal / reg-name   (RFC 9110 7.2, RFC 3986 3.2.2)
  // reg-name may be empty in general, but not in an http URI. (RFC 9110 4.2.1)
  std::size_t end = 0;
  if (!text.empty() && text.front() == '[') {
    end = text.find(']');
    if (end == std::string_view::npos || end == 1) return std::nullopt;
    for (const char c : text.substr(1, end - 1)) {
      if (hex_digit(c) < 0 && c != ':' && c != '.') return std::nullopt;
    }
    ++end;
  } else {
    end = text.find(':');
    if (end == std::string_view::npos) end = text.size();
    const std::string_view name = text.substr(0, end);
    if (name.empty() || !well_formed_percent(name)) return std::nullopt;
    for (const char c : name) {
      if (!is_a(host_char, c)) return std::nullopt;
    }
  }
  HostPort parts{text.substr(0, end), std::nullopt};
  if (end == text.size()) return parts;
  if (text[end] != ':') return std::nullopt;
  const std::string_view digits = text.substr(end + 1);
  if (digits.empty()) return parts;  // port = *DIGIT
  unsigned port = 0;
  for (const char c : digits) {
    if (!is_digit(c)) return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
    if (port > 65535) return std::nullopt;
  }
  parts.port = static_cast<std::uint16_t>(port);
  return parts;
}

struct Origin {
  std::string_view scheme;
  std::string_view host;
  std::optional<std::uint16_t> port;
};

/// The parts of `text`, or nothing when it is not the serialisation of an origin; "null" is none with parts.
inline std::optional<Origin> parse_origin(std::string_view text) noexcept {
  // origin = scheme "://" host [ ":" port ]   (RFC 6454 6.2, 7.1)
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0 || !is_alpha(text.front())) return std::nullopt;
  const std::string_view scheme = text.substr(0, colon);
  for (const char c : scheme) {
    if (!is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') return std::nullopt;
  }
  const auto host = parse_host(text.substr(colon + 3));
  if (!host) return std::nullopt;
  return Origin{scheme, host->host, host->port};
}

/// `port`, or the one that goes without saying; 0 where there is none.
constexpr std::uint16_t port_or_default(std::optional<std::uint16_t> port, std::string_view scheme) noexcept {
  if (port) return *port;
  return iequals(scheme, "https") ? 443 : iequals(scheme, "http") ? 80 : 0;
}

}  // namespace spate::detail
