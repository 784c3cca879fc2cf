// The functions of cors.hpp.
#pragma once

#include <stdexcept>

#include <spate/config.hpp>
#include <spate/http/cors.hpp>
#include <spate/http/detail/loopback.hpp>
#include <spate/http/detail/target.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate {

SPATE_DECL CorsPolicy::CorsPolicy(CorsOptions options) : options_(std::move(options)) {
  detail::require_not_negative("spate::CorsOptions::max_age", options_.max_age);
  for (const std::string& text : options_.allow_origins) {
    if (text == "*") {
      any_ = true;
    } else if (text == "null") {
      null_ = true;
    } else if (const auto origin = detail::parse_origin(text); origin && text.find('*') == std::string::npos) {
      listed_.push_back({std::string(origin->scheme), std::string(origin->host), origin->port, false});
    } else if (const auto open = with_open_port(text)) {
      listed_.push_back({std::string(open->scheme), std::string(open->host), std::nullopt, true});
    } else {
      throw std::invalid_argument("spate::CorsPolicy: not an origin: " + detail::quote(text));
    }
    if (text != "null" && text.find_first_of(";,'") == std::string::npos) frame_ancestors_ += " " + text;
  }
  allow_headers_ = joined(options_.allow_headers);
  expose_headers_ = joined(options_.expose_headers);
}

SPATE_DECL CorsDecision CorsPolicy::decide(const Request& request, bool secure) const {
  CorsDecision decision;
  const bool by_name = null_ || !listed_.empty();
  const auto text = request.header("origin");
  if (text) {
    decision.verdict = CorsDecision::refused;
    if (request.header_count("origin") > 1) return decision;
    const auto origin = detail::parse_origin(*text);
    if (origin && is_own(*origin, request, secure)) {
      decision.verdict = CorsDecision::same_origin;
    } else if (origin ? is_listed(*origin) : null_ && *text == "null") {
      decision.verdict = CorsDecision::allowed;
      decision.fields.emplace_back("Access-Control-Allow-Origin", *text);
      if (options_.credentials == Credentials::allow) {
        decision.fields.emplace_back("Access-Control-Allow-Credentials", "true");
      }
    } else if (any_) {
      decision.verdict = CorsDecision::allowed;
      decision.fields.emplace_back("Access-Control-Allow-Origin", "*");
    } else {
      return decision;
    }
    const bool by_its_name = origin ? is_listed(*origin) : null_ && *text == "null";
    decision.preflight = decision.verdict == CorsDecision::allowed && request.method() == "OPTIONS" &&
                         request.header_count("access-control-request-method") > 0;
    if (decision.preflight) {
      decision.allow_headers = allow_headers_;
      if (by_its_name && options_.request_fields == CorsOptions::RequestFields::any) {
        decision.allow_headers = requested_fields(request);
        decision.fields.emplace_back("Vary", "Access-Control-Request-Headers");
      }
    }
    if (decision.verdict == CorsDecision::allowed && !decision.preflight && !expose_headers_.empty()) {
      decision.fields.emplace_back("Access-Control-Expose-Headers", expose_headers_);
    }
  }
  // Without an origin too: a cache must not give that answer to a page. (Fetch 3.3)
  if (by_name) decision.fields.emplace_back("Vary", "Origin");
  return decision;
}

SPATE_DECL Response CorsPolicy::preflight(const CorsDecision& decision, std::string_view methods) const {
  Response response(204);
  decision.apply(response);
  response.header("Access-Control-Allow-Methods", methods);
  if (!decision.allow_headers.empty()) response.header("Access-Control-Allow-Headers", decision.allow_headers);
  if (options_.max_age.count() > 0) response.header("Access-Control-Max-Age", std::to_string(options_.max_age.count()));
  return response;
}

SPATE_DECL std::optional<detail::Origin> CorsPolicy::with_open_port(std::string_view text) {
  constexpr std::string_view mark = ":*";
  if (!text.ends_with(mark)) return std::nullopt;
  text.remove_suffix(mark.size());
  const auto origin = detail::parse_origin(text);
  if (!origin || origin->port || !detail::is_loopback(origin->host)) return std::nullopt;
  return origin;
}

SPATE_DECL std::string CorsPolicy::requested_fields(const Request& request) {
  std::string fields;
  for (const std::string_view line : request.header_all("access-control-request-headers")) {
    for (std::string_view rest = line; !rest.empty();) {
      const std::string_view name = detail::take_element(rest, ',');
      if (detail::is_token(name)) fields.append(fields.empty() ? "" : ", ").append(name);
    }
  }
  return fields;
}

SPATE_DECL std::string CorsPolicy::joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) {
    if (!detail::is_token(name)) {
      throw std::invalid_argument("spate::CorsPolicy: not a field name: " + detail::quote(name));
    }
    list += (list.empty() ? "" : ", ") + name;
  }
  return list;
}

SPATE_DECL bool CorsPolicy::is_own(const detail::Origin& origin, const Request& request, bool secure) {
  const bool https = detail::iequals(origin.scheme, "https");
  if (!https && (secure || !detail::iequals(origin.scheme, "http"))) return false;
  const auto authority = request.authority();
  const auto own = authority ? detail::parse_host(*authority) : std::nullopt;
  if (!own || !detail::iequals(own->host, origin.host)) return false;
  // Of an origin the default port is left out, of a host it may be.
  return detail::port_or_default(own->port, origin.scheme) == detail::port_or_default(origin.port, origin.scheme);
}

SPATE_DECL bool CorsPolicy::is_listed(const detail::Origin& origin) const {
  for (const Listed& listed : listed_) {
    if (detail::iequals(listed.scheme, origin.scheme) && detail::iequals(listed.host, origin.host) &&
        (listed.any_port ||
         detail::port_or_default(listed.port, origin.scheme) == detail::port_or_default(origin.port, origin.scheme))) {
      return true;
    }
  }
  return false;
}

}  // namespace spate
