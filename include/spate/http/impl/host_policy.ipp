// The functions of host_policy.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/http/detail/loopback.hpp>
#include <spate/http/detail/target.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/http/host_policy.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate {

SPATE_DECL HostPolicy::HostPolicy(HostCheck check, const std::vector<std::string>& allow_hosts) : check_(check) {
  for (const std::string& entry : allow_hosts) {
    if (entry == "*") {
      check_ = HostCheck::none;
      continue;
    }
    const auto parts = detail::parse_host(entry);
    if (!parts || entry.find('*') != std::string::npos)
      throw std::invalid_argument("spate::HostPolicy: not a host: " + detail::quote(entry));
    listed_.push_back({std::string(parts->host), parts->port});
  }
}

SPATE_DECL bool HostPolicy::allows(const Request& request) const noexcept {
  if (check_ == HostCheck::none) return true;
  const auto authority = request.authority();
  if (!authority) return true;
  const auto host = detail::parse_host(*authority);
  if (!host) return false;
  if (check_ == HostCheck::loopback && detail::is_loopback(host->host)) return true;
  for (const Listed& listed : listed_) {
    if (detail::iequals(listed.name, host->host) && (!listed.port || listed.port == host->port)) return true;
  }
  return false;
}

}  // namespace spate
