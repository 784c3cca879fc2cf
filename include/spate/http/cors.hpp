// A CorsPolicy decides which web pages of other origins may use this server. It does no I/O. (Fetch 3.3; RFC 6454 7)
//
//   const spate::CorsPolicy policy({.allow_origins = {"https://app.example.org"}});
//   const spate::CorsDecision decision = policy.decide(request);
//   if (decision.verdict == spate::CorsDecision::refused) return spate::Response::error(403, "this origin is not
//   allowed"); if (decision.preflight) return policy.preflight(decision, "GET, HEAD, POST"); decision.apply(response);
//   // errors too: a page cannot read an answer without these fields
//
// Immutable: any thread may ask.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/cross_site.hpp>
#include <spate/http/header_fields.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>

namespace spate {

namespace detail {
struct Origin;
}

/// Whether pages of a listed origin may send cookies and see the answer.
enum class Credentials { deny, allow };

/// Which pages of other origins may use a server, or one route, and how.
struct CorsOptions {
  /// Which request fields pages may set.
  enum class RequestFields {
    listed,  // those of `allow_headers`
    any,     // from origins that are listed by name: whatever their preflight asks for; from others the listed ones
  };

  /// Origins that may use the server besides its own: "https://app.example.org", "http://localhost:5173", "null", or
  /// "*" for all. Of a loopback origin the port may be left open: "http://localhost:*". Empty: none, and a request from
  /// any other origin is refused.
  std::vector<std::string> allow_origins;
  /// For origins that are listed by name; those that only "*" admits never get credentials.
  Credentials credentials = Credentials::allow;
  /// How long browsers may remember the answer to a preflight. Zero: the field is left out, and they keep it for 5 s.
  std::chrono::seconds max_age = std::chrono::minutes(10);
  /// Request fields that pages may set. `Last-Event-ID` is what an EventSource sends when it reconnects. (Fetch 3.3)
  std::vector<std::string> allow_headers = {"Last-Event-ID", "Authorization", "Content-Type", "Cache-Control"};
  RequestFields request_fields = RequestFields::listed;
  /// Response fields that pages may read besides the usual ones. Empty: the field is left out.
  std::vector<std::string> expose_headers = {};
  /// What pages of other sites, listed ones too, may have without an `Origin`: by pictures, scripts, frames and links,
  /// for which browsers leave it out. By default they may link to every GET route. `RouteOptions::cross_site` says it
  /// for one route.
  CrossSite cross_site = CrossSite::navigate;
};

/// What a policy decided about one request, and what its answer has to carry.
struct CorsDecision {
  /// Who asks, as the `Origin` tells.
  enum Verdict {
    no_origin,    // not from a page, or nothing that CORS is about
    same_origin,  // from a page of this server
    allowed,      // from a listed origin
    refused,      // answer 403, with none of `fields`
  };

  Verdict verdict = no_origin;
  /// Whether the browser only asks for permission: answer with `CorsPolicy::preflight`, do nothing else.
  bool preflight = false;
  /// What the answer has to carry, whatever its status.
  HeaderFields fields = {};
  /// Of a preflight: the request fields that its page may set, as a list.
  std::string allow_headers = {};

  /// Adds `fields` to `response`, but for those that its handler has set.
  void apply(Response& response) const { response.add_missing_headers(fields); }
};

class CorsPolicy {
 public:
  /// Throws `std::invalid_argument` when an origin is not "scheme://host[:port]" (there are no patterns but an open
  /// port of loopback), a field's name is no token, or `max_age` is negative.
  explicit CorsPolicy(CorsOptions options);

  /// Judges `request` by its `Origin`. `secure`: it came over TLS that ends here; otherwise the page may have been
  /// served by http or, through a proxy, by https.
  CorsDecision decide(const Request& request, bool secure = false) const;

  /// The answer to a preflight that `decide` allowed, for a target that takes `methods` ("GET, POST").
  Response preflight(const CorsDecision& decision, std::string_view methods) const;

  /// For a page that only the own origin and the listed ones may frame: "frame-ancestors 'self' https://a.example", the
  /// value of a `Content-Security-Policy`. Opaque origins cannot be named there. (CSP 3 6.4.2)
  const std::string& frame_ancestors() const noexcept { return frame_ancestors_; }

 private:
  struct Listed {
    std::string scheme;
    std::string host;
    std::optional<std::uint16_t> port;
    bool any_port;
  };

  // "http://localhost:*", or nothing. Whoever else has a port of this machine is trusted like the one that is meant; of
  // another host that would be somebody else.
  static std::optional<detail::Origin> with_open_port(std::string_view text);

  // What a preflight names, without what is no name.
  static std::string requested_fields(const Request& request);

  static std::string joined(const std::vector<std::string>& names);

  static bool is_own(const detail::Origin& origin, const Request& request, bool secure);

  bool is_listed(const detail::Origin& origin) const;

  CorsOptions options_;
  std::vector<Listed> listed_;
  bool any_ = false;
  bool null_ = false;
  std::string allow_headers_;
  std::string expose_headers_;
  std::string frame_ancestors_ = "frame-ancestors 'self'";
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/http/impl/cors.ipp>
#endif
