// The functions of target.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/target.hpp>

namespace spate::detail {

SPATE_DECL Target split_target(std::string_view text) noexcept {
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

SPATE_DECL std::optional<HostPort> parse_host(std::string_view text) noexcept {
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

SPATE_DECL std::optional<Origin> parse_origin(std::string_view text) noexcept {
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

}  // namespace spate::detail
