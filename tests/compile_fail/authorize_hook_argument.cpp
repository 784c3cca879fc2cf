// A hook is asked about the request.
// error: an authorize hook takes one argument, spate::Request&
#include <optional>

#include <spate/server/server.hpp>

spate::RouteOptions make() {
  spate::RouteOptions options;
#ifdef MUST_NOT_COMPILE
  options.authorize = [](const spate::EventStream&) { return std::optional<spate::Response>(); };
#else
  options.authorize = [](const spate::Request&) { return std::optional<spate::Response>(); };
#endif
  return options;
}
