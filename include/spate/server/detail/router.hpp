// Router: which route a request is for, and what to answer when there is none. No I/O.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/cors.hpp>
#include <spate/http/host_policy.hpp>
#include <spate/http/path_pattern.hpp>
#include <spate/http/request_parser.hpp>
#include <spate/server/detail/handlers.hpp>
#include <spate/server/server_options.hpp>
#include <spate/stream/detail/stream_parts.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/ref.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

struct Route {
  /// Throws std::invalid_argument when an option cannot be understood. `server` is what the route's own does not say.
  Route(std::vector<std::string> of, PathPattern at, Handler by, RouteOptions with = {},
        const ServerOptions& server = {})
      : methods(std::move(of)), pattern(std::move(at)), handler(std::move(by)), options(std::move(with)) {
    if (const auto* coroutine = std::get_if<AuthorizeCoroutine>(&options.authorize)) {
      require_callable("spate::RouteOptions: authorize of " + quote(pattern.text()), *coroutine);
    }
    if (options.cors) cors.emplace(*options.cors);
    if (options.allow_hosts) hosts.emplace(HostCheck::listed, *options.allow_hosts);
    if (options.stream || options.finish_on_drain) {
      streams = make_ref<StreamSettings>(options.stream.value_or(server.stream), server.on_exception,
                                         options.finish_on_drain);
    }
  }

  std::vector<std::string> methods;
  PathPattern pattern;
  Handler handler;
  RouteOptions options;
  // Of the options; empty where the server's hold.
  std::optional<CorsPolicy> cors;
  std::optional<HostPolicy> hosts;
  Ref<StreamSettings> streams;
};

class Router {
 public:
  struct Match {
    enum class Outcome { found, no_path, no_method, malformed };
    Outcome outcome = Outcome::no_path;
    const Route* route = nullptr;
    std::vector<std::pair<std::string, std::string>> params;
    std::string allow;  // where none is found: the methods that the path takes (H5)
  };

  /// Throws std::invalid_argument when a method is not known, or the route is there already.
  void add(Route route) {
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
    const auto behind = std::find_if(routes_.begin(), routes_.end(),
                                     [&](const Route& other) { return route.pattern.beats(other.pattern); });
    routes_.insert(behind, std::move(route));
  }

  /// Takes what no other route's path matches, whatever the method. Throws std::invalid_argument when there is one.
  void set_fallback(Route route) {
    if (fallback_) throw std::invalid_argument("spate::Server: a fallback twice");
    fallback_.emplace(std::move(route));
  }
  bool is_fallback(const Route* route) const noexcept { return fallback_ && route == &*fallback_; }

  /// A literal segment beats a parameter, whatever the order in which the routes were added.
  Match match(std::string_view method, std::string_view path) const {
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

  /// Every method that some route takes, for `OPTIONS *`.
  std::string allow_all() const {
    std::vector<std::string_view> methods;
    for (const Route& route : routes_) add_new(methods, route.methods);
    return joined(methods);
  }

 private:
  static bool takes(const Route& route, std::string_view method) {
    return std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end();
  }

  static void add_new(std::vector<std::string_view>& methods, const std::vector<std::string>& more) {
    for (const std::string& each : more) {
      if (std::find(methods.begin(), methods.end(), each) == methods.end()) methods.push_back(each);
    }
  }

  static std::string joined(const std::vector<std::string_view>& methods) {
    std::string list;
    for (const std::string_view method : methods) {
      if (method != "OPTIONS") list.append(method).append(", ");
    }
    return list += "OPTIONS";
  }

  std::vector<Route> routes_;  // none is beaten by one behind it
  std::optional<Route> fallback_;
};

}  // namespace spate::detail
