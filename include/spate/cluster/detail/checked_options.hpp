// The options of a node, looked at before it begins.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

#include <spate/cluster/redis_options.hpp>
#include <spate/config.hpp>
#include <spate/wire/detail/quote.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

inline void require_some(const char* name, std::size_t value) {
  if (value == 0) throw std::invalid_argument(std::string(name) + " must be positive: 0");
}

/// `options` with a name for the node, `random_name` if they have none. Throws std::invalid_argument that quotes what
/// cannot be.
SPATE_DECL RedisOptions checked(RedisOptions options, const std::string& random_name);

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/cluster/impl/checked_options.ipp>
#endif
