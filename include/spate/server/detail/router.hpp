// Router: which route a request is for, and what to answer when there is none. No I/O.
#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/cors.hpp>
#include <spate/http/host_policy.hpp>
#include <spate/http/path_pattern.hpp>
#include <spate/http/request_parser.hpp>
#include <spate/server/detail/handlers.hpp>
#include <spate/server/server_options.hpp>
#include <spate/stream/detail/stream_settings.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/ref.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

struct Route {
  /// Throws std::invalid_argument when an option cannot be understood. `server` is what the route's own does not say.
  Route(std::vector<std::string> of, PathPattern at, Handler by, RouteOptions with = {},
        const ServerOptions& server = {});

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
    std::string allow;  // where none is found: the methods that the path takes (RFC 9110 9.1)
  };

  /// Throws std::invalid_argument when a method is not known, or the route is there already.
  void add(Route route);

  /// Takes what no other route's path matches, whatever the method. Throws std::invalid_argument when there is one.
  void set_fallback(Route route);
  bool is_fallback(const Route* route) const noexcept { return fallback_ && route == &*fallback_; }

  /// A literal segment beats a parameter, whatever the order in which the routes were added.
  Match match(std::string_view method, std::string_view path) const;

  /// Every method that some route takes, for `OPTIONS *`.
  std::string allow_all() const;

 private:
  static bool takes(const Route& route, std::string_view method) {
    return std::find(route.methods.begin(), route.methods.end(), method) != route.methods.end();
  }

  static void add_new(std::vector<std::string_view>& methods, const std::vector<std::string>& more);

  static std::string joined(const std::vector<std::string_view>& methods);

  std::list<Route> routes_;  // none is beaten by one after it
  std::optional<Route> fallback_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/router.ipp>
#endif
