// The functions of signals_blocked.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/signals_blocked.hpp>

#if !defined(_WIN32)

namespace spate::detail {

SPATE_DECL SignalsBlocked::SignalsBlocked() noexcept {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

}  // namespace spate::detail

#endif
