// The functions of redis_url.hpp.
#pragma once

#include <spate/cluster/detail/redis_url.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL std::string without_password(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t from = scheme == std::string_view::npos ? 0 : scheme + 3;
  // Up to the last '@', because a password that should have been escaped may hold one.
  const std::size_t at = url.rfind('@');
  const std::size_t colon = url.find(':', from);
  if (at == std::string_view::npos || colon == std::string_view::npos || colon > at) return std::string(url);
  return std::string(url.substr(0, colon + 1)) + "***" + std::string(url.substr(at));
}

SPATE_DECL RedisUrl parse_redis_url(std::string_view url) {
  const auto refuse = [&](const char* why) {
    throw std::invalid_argument("spate::RedisBus: " + std::string(why) + ": " + quote(without_password(url)));
  };
  constexpr std::string_view scheme = "redis://";
  if (url.substr(0, 9) == "rediss://") refuse("TLS to Redis is not available, use redis://");
  if (url.substr(0, scheme.size()) != scheme) refuse("the URL must begin with redis://");
  std::string_view rest = url.substr(scheme.size());

  const auto number = [&](std::string_view text, auto& out, const char* why) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (error != std::errc() || end != text.data() + text.size()) refuse(why);
  };

  RedisUrl parsed;
  const std::size_t at = rest.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view login = rest.substr(0, at);
    const std::size_t colon = login.find(':');
    if (colon == std::string_view::npos) refuse("the URL names a user without a password");
    if (!well_formed_percent(login)) refuse("the URL has a broken percent escape");
    if (login.find('@') != std::string_view::npos || login.find('/') != std::string_view::npos) {
      refuse("'@' and '/' in user or password must be written as %40 and %2F");
    }
    parsed.user = percent_decode(login.substr(0, colon), Plus::literal);
    parsed.password = percent_decode(login.substr(colon + 1), Plus::literal);
    if (parsed.password.empty()) refuse("the URL has an empty password");
    rest.remove_prefix(at + 1);
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view database = rest.substr(slash + 1);
    if (!database.empty()) number(database, parsed.database, "the URL's database must be a number");
    rest = rest.substr(0, slash);
  }
  if (rest.find_first_of("?#") != std::string_view::npos) refuse("the URL must not have a query");
  std::string_view port;
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) refuse("the URL's address lacks a ']'");
    parsed.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
    if (!port.empty() && port.front() != ':') refuse("the URL's port must be a number from 1 to 65535");
  } else {
    const std::size_t colon = rest.find(':');
    parsed.host = rest.substr(0, colon);
    if (colon != std::string_view::npos) port = rest.substr(colon);
  }
  if (parsed.host.empty()) refuse("the URL names no host");
  if (!port.empty()) {
    number(port.substr(1), parsed.port, "the URL's port must be a number from 1 to 65535");
    if (parsed.port == 0) refuse("the URL's port must be a number from 1 to 65535");
  }
  return parsed;
}

}  // namespace spate::detail
