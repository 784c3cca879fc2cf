// Which route a request goes to, and the answer to one that goes to none. No I/O.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/server/detail/server_core.hpp>

namespace spate::detail {

/// What is answered where `match` has found no route.
SPATE_DECL Response refusal(const Router::Match& match);

/// A field of `request` that is repeated though it is no list, or an empty text. Whoever reads such a field reads the
/// first; somebody in front of this server may have read the last. (RFC 9110 5.3) Those that decide how a message is
/// framed, or who may ask, are refused where they are read: Host, Content-Length, Origin, Authorization.
SPATE_DECL std::string_view repeated_field(const Request& request) noexcept;

/// One of them.
struct RouteOrAnswer {
  RouteOrAnswer(const Route* found) noexcept : route(found) {}       // NOLINT(google-explicit-constructor): it is one
  RouteOrAnswer(Response answered) : answer(std::move(answered)) {}  // NOLINT(google-explicit-constructor)

  const Route* route = nullptr;
  std::optional<Response> answer;
};

/// Whose host and origin rules judge `request`, which `match` has found: that route's; of a preflight the route's that
/// it asks about. Null where the server's own do.
SPATE_DECL const Route* judging_route(const ServerCore& server, const Request& request, const Router::Match& match);

/// Finds the route of `request` and sets the parameters of its path; or says what to answer without a handler: a
/// refusal, the methods that OPTIONS asks for, a preflight. `server_hosts` are those of its connection, where the route
/// has none of its own; `cors` is what is decided about the request; it is left empty where its fields are in the
/// answer already.
SPATE_DECL RouteOrAnswer find_route(const ServerCore& server, const HostPolicy& server_hosts, Request& request,
                                    CorsDecision& cors);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/find_route.ipp>
#endif
