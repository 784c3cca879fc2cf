// A HostPolicy decides whether a request names a host that this server answers for. (RFC 6454 7)
//
// A server on loopback trusts whoever can reach it, but a browser can be led there by any page: the page's name is made
// to resolve to 127.0.0.1, and its scripts then count as same-origin. What they cannot forge is the host they ask for.
//
//   const spate::HostPolicy policy(spate::HostCheck::loopback, {"app.example.org"});
//   if (!policy.allows(request)) answer(403);
//
// Immutable: any thread may ask.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/request.hpp>

namespace spate {

/// Which hosts pass.
enum class HostCheck {
  none,      // every host passes
  loopback,  // `localhost`, 127.0.0.0/8 and [::1] pass, however they are spelt, on any port, and what is listed
  listed,    // only what is listed passes
};

class HostPolicy {
 public:
  /// `allow_hosts` are host names or addresses, IPv6 ones in brackets, compared in any case. One with a port admits
  /// that port, one without admits all; "*" admits every host.
  /// Throws `std::invalid_argument` on anything else; there are no patterns.
  HostPolicy(HostCheck check, const std::vector<std::string>& allow_hosts);

  /// Whether `request` may be served. One without a host, which HTTP/1.0 allows, passes: browsers always send theirs.
  bool allows(const Request& request) const noexcept;

 private:
  struct Listed {
    std::string name;
    std::optional<std::uint16_t> port;
  };

  HostCheck check_;
  std::vector<Listed> listed_;
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/host_policy.ipp>
#endif
