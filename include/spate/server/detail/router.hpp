// Router: which route a request is for, and what to answer when there is none. No I/O.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/http/path_pattern.hpp>
#include <spate/server/detail/handlers.hpp>
#include <spate/server/server_options.hpp>

namespace spate::detail {

struct Route {
  std::vector<std::string> methods;
  PathPattern pattern;
  Handler handler;
  RouteOptions options;
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

  void add(Route route) { routes_.push_back(std::move(route)); }

  /// The first route added that matches wins.
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
      if (std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end()) {
        match.outcome = Match::Outcome::found;
        match.route = &route;
        return match;
      }
      match.outcome = Match::Outcome::no_method;
      match.params.clear();
      add_new(methods, route.methods);
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

  std::vector<Route> routes_;
};

}  // namespace spate::detail
