// The functions of all_of.hpp.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/http/request.hpp>
#include <spate/http/response.hpp>
#include <spate/server/all_of.hpp>
#include <spate/stream/detail/language.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

template <typename Hook>
Hook all_of(std::vector<Hook> hooks) {
  const auto all = std::make_shared<const std::vector<Hook>>(std::move(hooks));
  for (const Hook& hook : *all) {
    if (const auto* function = hook.function()) require_callable("spate::all_of: a hook", *function);
    if (const auto* coroutine = hook.coroutine()) require_callable("spate::all_of: a hook", *coroutine);
  }
#if SPATE_HAS_COROUTINES
  const bool plain = std::all_of(all->begin(), all->end(), [](const Hook& hook) { return hook.function() != nullptr; });
  if (!plain) {
    return AuthorizeCoroutine([all](Request& request) -> asio::awaitable<std::optional<Response>> {
      for (const Hook& hook : *all) {
        std::optional<Response> refused;
        if (const auto* coroutine = hook.coroutine()) {
          refused = co_await (*coroutine)(request);
        } else {
          refused = (*hook.function())(request);
        }
        if (refused) co_return refused;
      }
      co_return std::nullopt;
    });
  }
#endif
  return AuthorizeFunction([all](Request& request) -> std::optional<Response> {
    for (const Hook& hook : *all) {
      if (auto refused = (*hook.function())(request)) return refused;
    }
    return std::nullopt;
  });
}

#if !defined(SPATE_HEADER_ONLY)
template AuthorizeHook all_of(std::vector<AuthorizeHook>);
#endif

}  // namespace spate::detail
