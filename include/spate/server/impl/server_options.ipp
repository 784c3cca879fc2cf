// The functions of server_options.hpp.
#pragma once

#include <utility>

#include <asio/bind_cancellation_slot.hpp>

#include <spate/config.hpp>
#include <spate/server/server_options.hpp>
#include <spate/stream/detail/spawn.hpp>

namespace spate {

SPATE_DECL AuthorizeHook::AuthorizeHook() noexcept = default;
SPATE_DECL AuthorizeHook::AuthorizeHook(const AuthorizeHook& other) = default;
SPATE_DECL AuthorizeHook::AuthorizeHook(AuthorizeHook&& other) noexcept = default;
SPATE_DECL AuthorizeHook& AuthorizeHook::operator=(const AuthorizeHook& other) = default;
SPATE_DECL AuthorizeHook& AuthorizeHook::operator=(AuthorizeHook&& other) noexcept = default;
SPATE_DECL AuthorizeHook::~AuthorizeHook() = default;

}  // namespace spate

namespace spate::detail {

template <typename Result>
void spawn_until(const asio::any_io_executor& executor, std::function<Awaitable<Result>()> begin,
                 const asio::cancellation_slot& cancelled, std::function<void(std::exception_ptr, Result)> done) {
  spawn(executor, std::move(begin), asio::bind_cancellation_slot(cancelled, std::move(done)));
}

#if !defined(SPATE_HEADER_ONLY)
template void spawn_until(const asio::any_io_executor&, std::function<Awaitable<std::optional<Response>>()>,
                          const asio::cancellation_slot&,
                          std::function<void(std::exception_ptr, std::optional<Response>)>);
#endif

}  // namespace spate::detail
