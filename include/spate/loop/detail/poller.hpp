// Poller: the one seam behind which everything lies that only Linux has. SPATE_PORTABLE=1 takes the portable side.
#pragma once

#if defined(__linux__) && !SPATE_PORTABLE
#include <spate/loop/detail/epoll_poller.hpp>
namespace spate::detail {
using Poller = EpollPoller;
}
#else
#include <spate/loop/detail/asio_poller.hpp>
namespace spate::detail {
using Poller = AsioPoller;
}
#endif
