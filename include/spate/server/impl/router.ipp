// The functions of router.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/router.hpp>

namespace spate::detail {

SPATE_DECL Route::Route(std::vector<std::string> of, PathPattern at, Handler by, RouteOptions with,
                        const ServerOptions& server)
    : methods(std::move(of)), pattern(std::move(at)), handler(std::move(by)), options(std::move(with)) {
  if (const AuthorizeCoroutine* coroutine = options.authorize.coroutine()) {
    require_callable("spate::RouteOptions: authorize of " + quote(pattern.text()), *coroutine);
  }
  if (options.cors) cors.emplace(*options.cors);
  if (options.allow_hosts) hosts.emplace(HostCheck::listed, *options.allow_hosts);
  if (options.stream || options.finish_on_drain) {
    streams =
        make_ref<StreamSettings>(options.stream.value_or(server.stream), server.on_exception, options.finish_on_drain);
  }
}

SPATE_DECL void Router::add(Route route) {
  const std::string pattern = quote(route.pattern.text());
  if (route.methods.empty()) throw std::invalid_argument("spate::Server: a route without a method: " + pattern);
  for (auto method = route.methods.begin(); method != route.methods.end(); ++method) {
    if (!RequestParser::knows_method(*method)) {
      throw std::invalid_argument("spate::Server: a method that no request can have: " + quote(*method) + " of " +
                                  pattern);
    }
    const Route* there = std::find(route.methods.begin(), method, *method) != method ? &route : nullptr;
    for (const Route& other : routes_) {
      if (takes(other, *method) && other.pattern.same_paths(route.pattern)) there = &other;
    }
    if (there == nullptr) continue;
    throw std::invalid_argument(
        "spate::Server: a route twice: " + *method + " of " + pattern +
        (there->pattern.text() == route.pattern.text() ? "" : ", which is there as " + quote(there->pattern.text())));
  }
  const auto after = std::find_if(routes_.begin(), routes_.end(),
                                  [&](const Route& other) { return route.pattern.beats(other.pattern); });
  routes_.insert(after, std::move(route));
}

SPATE_DECL void Router::set_fallback(Route route) {
  if (fallback_) throw std::invalid_argument("spate::Server: a fallback twice");
  fallback_.emplace(std::move(route));
}

SPATE_DECL Router::Match Router::match(std::string_view method, std::string_view path) const {
  Match match;
  std::vector<std::string_view> methods;
  for (const Route& route : routes_) {
    const PathMatch matched = route.pattern.match(path, match.params);
    if (matched == PathMatch::no) continue;
    if (matched == PathMatch::malformed) {
      if (match.outcome == Match::Outcome::no_path) match.outcome = Match::Outcome::malformed;
      continue;
    }
    if (takes(route, method)) {
      match.outcome = Match::Outcome::found;
      match.route = &route;
      return match;
    }
    match.outcome = Match::Outcome::no_method;
    match.params.clear();
    add_new(methods, route.methods);
  }
  if (match.outcome == Match::Outcome::no_path && fallback_) {
    const PathMatch matched = fallback_->pattern.match(path, match.params);
    if (matched == PathMatch::malformed) match.outcome = Match::Outcome::malformed;
    if (matched != PathMatch::yes) return match;
    match.outcome = Match::Outcome::found;
    match.route = &*fallback_;
    return match;
  }
  match.allow = joined(methods);
  return match;
}

SPATE_DECL std::string Router::allow_all() const {
  std::vector<std::string_view> methods;
  for (const Route& route : routes_) add_new(methods, route.methods);
  return joined(methods);
}

SPATE_DECL void Router::add_new(std::vector<std::string_view>& methods, const std::vector<std::string>& more) {
  for (const std::string& each : more) {
    if (std::find(methods.begin(), methods.end(), each) == methods.end()) methods.push_back(each);
  }
}

SPATE_DECL std::string Router::joined(const std::vector<std::string_view>& methods) {
  std::string list;
  for (const std::string_view method : methods) {
    if (method != "OPTIONS") list.append(method).append(", ");
  }
  return list += "OPTIONS";
}

}  // namespace spate::detail
