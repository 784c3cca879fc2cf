// Whether this run of the tests is to be compressed: then servers compress and clients of streams ask for it, so that
// the same stories hold for compressed streams. (`SPATE_TESTS_COMPRESSED`, which tests/CMakeLists.txt sets)
#pragma once

#include <cstdlib>
#include <memory>

#include <spate/connection/detail/compression.hpp>
#if defined(SPATE_TESTS_HAVE_ZLIB)
#include <spate/zlib/gzip.hpp>
#endif

namespace spate::test {

inline bool compressed_run() {
  static const bool compressed = std::getenv("SPATE_TESTS_COMPRESSED") != nullptr;
  return compressed;
}

/// What servers compress by; null in other runs.
inline std::shared_ptr<const detail::Compression> compression_of_run() {
#if defined(SPATE_TESTS_HAVE_ZLIB)
  if (compressed_run()) return std::make_shared<Gzip>();
#endif
  return nullptr;
}

}  // namespace spate::test
