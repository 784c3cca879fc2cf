// `insist` repeats a step until there is memory for it: without it a loop might sleep for ever. `run_for` ends the one
// resident whose step throws, so that its failure costs no other.
#pragma once

#include <exception>
#include <new>
#include <system_error>
#include <thread>

#include <spate/error.hpp>
#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

/// Runs `step` until there is memory for it: for what a loop would never wake up again without.
template <typename Step>
void insist(Step step) {
  for (;;) {
    try {
      return step();
    } catch (const std::bad_alloc&) {
      std::this_thread::yield();
    }
  }
}

/// Runs `step` for each of `all`, once there is memory for it. What it throws otherwise keeps no other from its turn:
/// the first is thrown when everybody has had theirs.
template <typename All, typename Step>
void insist_for_each(All&& all, Step step) {
  std::exception_ptr failure;
  for (auto& each : all) {
    try {
      insist([&] { step(each); });
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// Runs `step` for `resident`. What it throws ends this resident alone, and is kept in `failure`, if it is the first,
/// to be told when everybody else has had their turn.
template <typename Step>
void run_for(Resident& resident, std::exception_ptr& failure, Step step) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    if (!failure) failure = std::current_exception();
    insist([&] { resident.on_failure(std::make_error_code(std::errc::not_enough_memory)); });
  } catch (...) {
    if (!failure) failure = std::current_exception();
    insist([&] { resident.on_failure(Errc::handler_failed); });
  }
}

}  // namespace spate::detail
