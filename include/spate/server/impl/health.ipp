// The functions of health.hpp.
#pragma once

#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/server/health.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate {
namespace detail {

inline Response health_answer(int status, std::string_view text) {
  return Response::text(status, std::string(text)).header("Cache-Control", "no-store");
}

}  // namespace detail

SPATE_DECL std::function<Response(const Request&)> health(const Server& server, HealthOptions options) {
  for (const HealthCheck& check : options.checks) detail::require_callable("spate::health: a check", check);
  if (options.degraded_status < 200 || options.degraded_status > 599) {
    throw std::invalid_argument("spate::HealthOptions::degraded_status must be 200 to 599, not " +
                                std::to_string(options.degraded_status));
  }
  return [&server, options = std::make_shared<const HealthOptions>(std::move(options))](const Request&) {
    if (server.is_draining()) return detail::health_answer(503, "draining");
    std::string complaints;
    for (const HealthCheck& check : options->checks) {
      const std::optional<std::string> complaint = check();
      if (!complaint || complaint->empty()) continue;
      if (!complaints.empty()) complaints += "; ";
      complaints += *complaint;
    }
    if (complaints.empty()) return detail::health_answer(200, "ok");
    return detail::health_answer(options->degraded_status, "degraded: " + complaints);
  };
}

SPATE_DECL std::function<Response(const Request&)> liveness() {
  return [](const Request&) { return detail::health_answer(200, "ok"); };
}

}  // namespace spate
