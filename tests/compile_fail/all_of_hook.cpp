// Each of several hooks is one.
// error: an authorize hook returns std::optional<spate::Response> or asio::awaitable
#include <optional>

#include <spate/server/all_of.hpp>

spate::AuthorizeHook make() {
  const auto first = [](spate::Request&) { return std::optional<spate::Response>(); };
#ifdef MUST_NOT_COMPILE
  return spate::all_of(first, [](spate::Request&) { return false; });
#else
  return spate::all_of(first, first);
#endif
}
