// Transport: how the events of a stream reach its client.
#pragma once

#include <cstdint>

namespace spate {

/// Every stream route serves all of them, from the same handler; the client chooses with `?transport=`.
enum class Transport : std::uint8_t {
  sse,   // an event stream: the rule
  poll,  // one answer of JSON with the events that are there, or with the first that comes; then the client asks again
  iframe,  // an endless HTML page that calls a function of its parent for each event
};

}  // namespace spate
