// A coroutine that is asked whether a request may pass says what a refused client is answered.
// error: an authorize hook returns std::optional<spate::Response> or asio::awaitable
#include <optional>

#include <asio/awaitable.hpp>

#include <spate/server/server.hpp>

#ifdef ASIO_HAS_CO_AWAIT
spate::RouteOptions make() {
  spate::RouteOptions options;
#ifdef MUST_NOT_COMPILE
  options.authorize = [](spate::Request&) -> asio::awaitable<bool> { co_return true; };
#else
  options.authorize = [](spate::Request&) -> asio::awaitable<std::optional<spate::Response>> {
    co_return std::nullopt;
  };
#endif
  return options;
}
#elif defined(MUST_NOT_COMPILE)
#error an authorize hook returns std::optional<spate::Response> or asio::awaitable, where there are coroutines
#endif
