// The kit's transport without sockets, under the name of the tests.
#pragma once

#include <spate/testing/detail/memory_transport.hpp>

namespace spate::test {

using detail::MemoryTransport;

}  // namespace spate::test
