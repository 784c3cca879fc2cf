// The functions of listen_address.hpp.
#pragma once

#if !defined(_WIN32)
#include <sys/un.h>
#endif

#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <spate/config.hpp>
#include <spate/http/detail/loopback.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

SPATE_DECL asio::ip::address parse_listen_address(const std::string& text) {
  std::error_code error;
  const bool by_name = detail::iequals(text, "localhost") || detail::iequals(text, "localhost.");
  asio::ip::address address = asio::ip::make_address(by_name ? "127.0.0.1" : text, error);
  if (error) throw std::invalid_argument("spate::Server: not an IP address: " + detail::quote(text));
  return address;
}

SPATE_DECL std::optional<std::string> unix_path_of(const std::string& text) {
  constexpr std::string_view scheme = "unix:";
  if (!text.starts_with(scheme)) return std::nullopt;
  std::string path = text.substr(scheme.size());
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw std::invalid_argument("spate::Server: not the path of a Unix socket: " + detail::quote(text));
  }
#if defined(_WIN32)
  throw std::invalid_argument("spate::Server: this system has no Unix sockets: " + detail::quote(text));
#else
  constexpr std::size_t most = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > most) {
    throw std::invalid_argument("spate::Server: the path of a Unix socket has at most " + std::to_string(most) +
                                " bytes: " + detail::quote(text));
  }
  return path;
#endif
}

SPATE_DECL bool is_loopback(const asio::ip::address& address) noexcept {
  if (address.is_v4()) return address.to_v4().is_loopback();
  const auto bytes = address.to_v6().to_bytes();
  detail::Ipv6 groups{};
  for (std::size_t group = 0; group < groups.size(); ++group) {
    groups[group] = static_cast<std::uint16_t>(bytes[2 * group] << 8 | bytes[2 * group + 1]);
  }
  return detail::is_loopback(groups);
}

}  // namespace spate
