// A hint to the processor.
#pragma once

namespace spate::detail {

/// Asks for the cache line of `address`, which is needed soon. Any address will do: none is ever an error.
inline void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#else
  static_cast<void>(address);
#endif
}

}  // namespace spate::detail
