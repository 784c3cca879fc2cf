// SignalOptions: how a server ends when its process is told to.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <vector>

#include <asio/any_io_executor.hpp>

namespace spate {

struct SignalOptions {
  /// How long what is under way may take, once the first signal has come; what is left then is cut. Zero cuts at once.
  std::chrono::milliseconds deadline = std::chrono::seconds(5);

  /// Told how much was cut when the drain that a signal began is over, like that of `Server::shutdown`.
  std::function<void(std::size_t cut)> done = {};

  /// Called for each signal after the first, in place of cutting what is left. A program that wants to be gone at once,
  /// whatever it is doing, calls std::_Exit here.
  std::function<void()> again = {};

  /// What is waited for.
  std::vector<int> signals{SIGINT, SIGTERM};

  /// Where it is waited for them, and where `again` runs. Empty: on one of the server's loops. Another one still hears
  /// of a signal when a handler holds up the server's; its context lives until the server has drained or stopped.
  asio::any_io_executor executor = {};
};

}  // namespace spate
