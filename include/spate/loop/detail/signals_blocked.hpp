// SignalsBlocked: no signal is taken by this thread, nor by threads that it starts meanwhile.
//
// A signal to a process goes to any thread that does not block it. Threads of a library that did not would take it away
// from the one in which the program waits with sigwait.
#pragma once

#if !defined(_WIN32)
#include <csignal>

#include <spate/config.hpp>
#endif

namespace spate::detail {

class SignalsBlocked {
 public:
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
#if defined(_WIN32)
  SignalsBlocked() noexcept = default;
#else
  SignalsBlocked() noexcept;
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
#endif
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/loop/impl/signals_blocked.ipp>
#endif
