// The kit's loop that turns when the test says so, and its clock, under the names of the tests.
#pragma once

#include <spate/testing/detail/held_clock.hpp>
#include <spate/testing/detail/held_loop.hpp>

namespace spate::test {

using detail::HeldClock;
using detail::HeldLoop;

}  // namespace spate::test
