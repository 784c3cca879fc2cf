// The bearer token of a request: what `Authorization: Bearer TOKEN` carries. (RFC 6750 2.1)
#pragma once

#include <optional>
#include <string_view>

#include <spate/http/detail/tokens.hpp>
#include <spate/http/request.hpp>

namespace spate {

/// The token, not looked at; nothing when there is none, or more than one such field. A view into `request`.
inline std::optional<std::string_view> bearer_token(const Request& request) noexcept {
  constexpr std::string_view scheme = "bearer ";
  const auto field = request.header("authorization");
  if (!field || request.header_count("authorization") > 1) return std::nullopt;
  if (field->size() <= scheme.size() || !detail::iequals(field->substr(0, scheme.size()), scheme)) return std::nullopt;
  std::string_view token = field->substr(scheme.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  return token;
}

}  // namespace spate
