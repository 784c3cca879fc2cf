// Yes or no would leave open what a refused client is answered.
// error: an authorize hook returns std::optional<spate::Response> or asio::awaitable
#include <optional>

#include <spate/server/server.hpp>

spate::RouteOptions make() {
  spate::RouteOptions options;
#ifdef MUST_NOT_COMPILE
  options.authorize = [](spate::Request&) { return true; };
#else
  options.authorize = [](spate::Request&) -> std::optional<spate::Response> {
    return spate::Response::error(403, "no");
  };
#endif
  return options;
}
