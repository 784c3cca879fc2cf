// The library as it is where Asio finds no coroutines.
#undef ASIO_HAS_CO_AWAIT
#define ASIO_DISABLE_CO_AWAIT 1

#include "callbacks_only.hpp"

static_assert(!SPATE_HAS_COROUTINES);
