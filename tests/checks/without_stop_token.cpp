// The library as it is where the standard library has no std::stop_token: here it says so, and nobody may name one.
#include <condition_variable>
#include <thread>
#include <version>

#undef __cpp_lib_jthread
#pragma GCC poison stop_token stop_source

#include "callbacks_only.hpp"

static_assert(!SPATE_HAS_STOP_TOKEN);
