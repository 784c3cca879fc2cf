// The address of a Redis, as a URL.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include <spate/config.hpp>
#include <spate/http/detail/percent.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

struct RedisUrl {
  std::string host;
  std::uint16_t port = 6379;
  std::string user;      // empty: the default user
  std::string password;  // empty: no authentication
  std::uint32_t database = 0;
};

/// `url` with the password replaced, for error messages.
SPATE_DECL std::string without_password(std::string_view url);

/// Reads `url`, or throws std::invalid_argument that quotes it without its password.
///
///   redis-url = "redis://" [ [user] ":" password "@" ] host [ ":" port ] [ "/" [ database ] ]
///
/// `host` is a name, an IPv4 address, or an IPv6 address in brackets.
SPATE_DECL RedisUrl parse_redis_url(std::string_view url);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/redis_url.ipp>
#endif
