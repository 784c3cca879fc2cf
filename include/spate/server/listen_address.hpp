// Where a server may listen: addresses by their text, and which of them only this machine can reach.
//
//   if (!spate::is_loopback(spate::parse_listen_address(text)) && token.empty()) refuse("anybody could send");
//
// Functions without state: any thread may call them.
#pragma once

#include <optional>
#include <string>

#include <asio/ip/address.hpp>

#include <spate/config.hpp>

namespace spate {

/// The address that `ServerOptions::address` names: IPv4, IPv6, or `localhost`, which is 127.0.0.1.
/// Throws std::invalid_argument that quotes `text` when it is none of them.
SPATE_DECL asio::ip::address parse_listen_address(const std::string& text);

/// The path of a Unix socket that `ServerOptions::address` names as "unix:/path"; nothing when it names none.
/// Throws std::invalid_argument that quotes `text` when the path is empty, has a NUL, or is longer than a path of a
/// socket may be: 107 bytes on Linux.
SPATE_DECL std::optional<std::string> unix_path_of(const std::string& text);

/// Whether only this machine can reach `address`: 127.0.0.0/8, ::1, and the first within IPv6, ::ffff:127.0.0.1.
SPATE_DECL bool is_loopback(const asio::ip::address& address) noexcept;

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/listen_address.ipp>
#endif
