// all_of: several authorize hooks as one. A request passes that all of them let pass.
//
//   route.authorize = spate::all_of(logged_in, may_see_orders);     // functions and coroutines, in any mixture
//
// They are asked in their order, each after the one before it has let the request pass, so that a later one finds what
// an earlier one has set (Request::set_param). The first refusal is the answer. As for a single hook, the result is a
// function if all of them are, else a coroutine.
#pragma once

#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/server/server_options.hpp>

namespace spate {

namespace detail {

/// A template, so that only programs that call it compile it. Throws std::invalid_argument for a hook that is an empty
/// function.
template <typename Hook>
Hook all_of(std::vector<Hook> hooks);

}  // namespace detail

/// Throws std::invalid_argument for a hook that is an empty function.
template <typename... Hooks>
AuthorizeHook all_of(Hooks... hooks) {
  return detail::all_of(std::vector<AuthorizeHook>{AuthorizeHook(std::move(hooks))...});
}

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/all_of.ipp>
#endif
