// RunLimits: how much may happen in one call of a testing::Server.
#pragma once

#include <cstddef>

namespace spate::testing {

/// How much may happen in one call, and between two moments of `Server::advance`, before it is taken to have no end.
struct RunLimits {
  /// Steps: turns of the loop, callbacks, resumed coroutines.
  std::size_t steps = 200'000;
  /// Bytes that are written to all clients together.
  std::size_t bytes = std::size_t{64} << 20;
};

}  // namespace spate::testing
