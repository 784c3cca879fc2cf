// The functions of bearer_token.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/bearer_token.hpp>

namespace spate {

SPATE_DECL std::optional<std::string_view> bearer_token(const Request& request) noexcept {
  constexpr std::string_view scheme = "bearer ";
  const auto field = request.header("authorization");
  if (!field || request.header_count("authorization") > 1) return std::nullopt;
  if (field->size() <= scheme.size() || !detail::iequals(field->substr(0, scheme.size()), scheme)) return std::nullopt;
  std::string_view token = field->substr(scheme.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  return token;
}

}  // namespace spate
