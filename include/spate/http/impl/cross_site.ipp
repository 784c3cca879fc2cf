// The functions of cross_site.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/cross_site.hpp>
#include <spate/http/detail/tokens.hpp>

namespace spate::detail {

SPATE_DECL bool says_only(const Request& request, std::string_view name, std::string_view value) noexcept {
  return request.header_count(name) == 1 && request.header(name) == value;
}

SPATE_DECL bool may_fill_iframe(const Request& request) noexcept {
  return request.header_count("sec-fetch-dest") == 0 || says_only(request, "sec-fetch-dest", "iframe");
}

SPATE_DECL bool is_cross_site(const Request& request) noexcept {
  constexpr std::string_view wanted = "cross-site";
  for (const auto& [name, value] : request.headers()) {
    if (!iequals(name, "sec-fetch-site")) continue;
    for (std::size_t at = 0; at + wanted.size() <= value.size(); ++at) {
      if (iequals(value.substr(at, wanted.size()), wanted)) return true;
    }
  }
  return false;
}

}  // namespace spate::detail

namespace spate {

SPATE_DECL bool admits(CrossSite rule, const Request& request) noexcept {
  if (rule == CrossSite::allow || !detail::is_cross_site(request) || request.header_count("origin") > 0) return true;
  const bool safe = request.method() == "GET" || request.method() == "HEAD";
  return rule == CrossSite::navigate && safe && detail::says_only(request, "sec-fetch-mode", "navigate") &&
         detail::says_only(request, "sec-fetch-dest", "document");
}

}  // namespace spate
