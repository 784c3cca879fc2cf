// The functions of server.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/server.hpp>

namespace spate {

SPATE_DECL void Server::add_route(std::vector<std::string> methods, std::string_view pattern, detail::Handler handler,
                                  RouteOptions options) {
  require_not_serving(detail::quote(pattern));
  core_->router.add({std::move(methods), PathPattern(pattern), std::move(handler), std::move(options), core_->options});
}

SPATE_DECL void Server::require_not_serving(const std::string& what) const {
  if (!serving_.load(std::memory_order_relaxed)) return;
  throw std::invalid_argument("spate::Server: routes are added before it starts, this one came later: " + what);
}

}  // namespace spate
