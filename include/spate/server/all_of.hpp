// all_of: several authorize hooks as one. A request passes that all of them let pass.
//
//   route.authorize = spate::all_of(logged_in, may_see_orders);     // functions and coroutines, in any mixture
//
// They are asked in their order, each after the one before it has let the request pass, so that a later one finds what
// an earlier one has set (Request::set_param). The first refusal is the answer. As for a single hook, the result is a
// function if all of them are, else a coroutine.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/server_options.hpp>
#include <spate/stream/detail/language.hpp>

namespace spate {

/// Throws std::invalid_argument for a hook that is an empty function.
template <typename... Hooks>
AuthorizeHook all_of(Hooks... hooks) {
  using All = std::vector<AuthorizeHook>;
  const auto all = std::make_shared<const All>(All{AuthorizeHook(std::move(hooks))...});
  for (const AuthorizeHook& hook : *all) {
    std::visit([](const auto& each) { detail::require_callable("spate::all_of: a hook", each); }, hook);
  }
#if SPATE_HAS_COROUTINES
  const bool plain = std::all_of(all->begin(), all->end(), [](const AuthorizeHook& hook) {
    return std::holds_alternative<AuthorizeFunction>(hook);
  });
  if (!plain) {
    return AuthorizeCoroutine([all](Request& request) -> asio::awaitable<std::optional<Response>> {
      for (const AuthorizeHook& hook : *all) {
        std::optional<Response> refused;
        if (const auto* coroutine = std::get_if<AuthorizeCoroutine>(&hook)) {
          refused = co_await (*coroutine)(request);
        } else {
          refused = std::get<AuthorizeFunction>(hook)(request);
        }
        if (refused) co_return refused;
      }
      co_return std::nullopt;
    });
  }
#endif
  return AuthorizeFunction([all](Request& request) -> std::optional<Response> {
    for (const AuthorizeHook& hook : *all) {
      if (auto refused = std::get<AuthorizeFunction>(hook)(request)) return refused;
    }
    return std::nullopt;
  });
}

}  // namespace spate
