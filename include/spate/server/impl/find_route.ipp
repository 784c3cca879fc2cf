// The functions of find_route.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/find_route.hpp>

namespace spate::detail {

SPATE_DECL Response refusal(const Router::Match& match) {
  switch (match.outcome) {
    case Router::Match::Outcome::malformed: return Response::error(400, "the path has a broken escape");
    case Router::Match::Outcome::no_method:
      return Response::error(405, "this resource does not take that method").header("Allow", match.allow);
    default: return Response::error(404, "there is nothing here");
  }
}

SPATE_DECL std::string_view repeated_field(const Request& request) noexcept {
  static constexpr std::string_view singular[] = {"Last-Event-ID",  "Content-Type",   "Access-Control-Request-Method",
                                                  "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest"};
  for (const std::string_view name : singular) {
    if (request.header_count(name) > 1) return name;
  }
  return {};
}

SPATE_DECL const Route* judging_route(const ServerCore& server, const Request& request, const Router::Match& match) {
  const auto asked = request.header("access-control-request-method");
  const bool preflight = request.method() == "OPTIONS" && asked && request.header("origin");
  return preflight ? server.router.match(*asked, request.path()).route : match.route;
}

SPATE_DECL RouteOrAnswer find_route(const ServerCore& server, const HostPolicy& server_hosts, Request& request,
                                    CorsDecision& cors) {
  using Check = RouteOptions::Check;
  cors = {};
  Router::Match match = server.router.match(request.method(), request.path());
  const Route* const judge = judging_route(server, request, match);
  const CorsPolicy& policy = judge != nullptr && judge->cors ? *judge->cors : server.cors;
  const CorsOptions& rules = judge != nullptr && judge->options.cors ? *judge->options.cors : server.options.cors;
  const bool any_origin = judge != nullptr && judge->options.origin_check == Check::off;
  if (!any_origin) cors = policy.decide(request);
  const HostPolicy& hosts = judge != nullptr && judge->hosts ? *judge->hosts : server_hosts;
  const bool any_host = judge != nullptr && judge->options.host_check == Check::off;
  if (!any_host && !hosts.allows(request)) return Response::error(403, "this server does not answer for that host");
  if (cors.verdict == CorsDecision::refused) return Response::error(403, "this origin is not allowed");
  const CrossSite rule = judge != nullptr && judge->options.cross_site ? *judge->options.cross_site
                         : any_origin                                  ? CrossSite::allow
                                                                       : rules.cross_site;
  if (!admits(rule, request)) {
    return Response::error(403, "pages of other sites may not ask for this");
  }
  if (const std::string_view name = repeated_field(request); !name.empty()) {
    return Response::error(400, std::string(name) + " is repeated");
  }
  if (request.method() == "OPTIONS") {
    if (request.path() == "*") return Response(204).header("Allow", server.router.allow_all());
    // A route may take OPTIONS itself, but a browser's preflight is not for it.
    if (match.outcome == Router::Match::Outcome::found && cors.preflight) {
      if (server.router.is_fallback(match.route)) {
        return policy.preflight(std::exchange(cors, {}), request.header("access-control-request-method").value_or(""));
      }
      match = server.router.match({}, request.path());
    }
    if (match.outcome == Router::Match::Outcome::no_method) {
      Response response = cors.preflight ? policy.preflight(std::exchange(cors, {}), match.allow) : Response(204);
      return std::move(response.header("Allow", match.allow));
    }
  }
  if (match.outcome != Router::Match::Outcome::found) return refusal(match);
  if (!request.well_formed_query()) return Response::error(400, "the query has a broken escape");
  for (auto& [name, value] : match.params) request.set_param(std::move(name), std::move(value));
  return match.route;
}

}  // namespace spate::detail
