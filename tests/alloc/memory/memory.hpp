// What a program of tests allocates: its own `operator new` counts.
#pragma once

#include <cstddef>

namespace spate::test {

/// From now on, or no more, the allocations of this thread count.
void count_this_thread(bool counts) noexcept;

/// How many that were so far.
std::size_t allocations() noexcept;

/// Bytes that the whole process has allocated and not freed, without what the allocator itself needs.
std::size_t live_bytes() noexcept;

}  // namespace spate::test
