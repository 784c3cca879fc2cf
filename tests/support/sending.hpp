// A send that a test does not wait for, or not yet.
//
//   const Sending sending(emitter, Audience::user("anna"), Event("hello"));
//   REQUIRE(sending.wait());
//   CHECK(sending.report().streams == 1);
#pragma once

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/bind_executor.hpp>
#include <asio/system_executor.hpp>

#include <spate/registry/emitter.hpp>
#include "support/eventually.hpp"

namespace spate::test {

/// An `async_send` whose completion a thread can wait for. (No std::future: ThreadSanitizer does not see how its parts
/// in the standard library order what they do.)
class Sending {
 public:
  Sending(Emitter& emitter, const Audience& audience, const Event& event) {
    emitter.async_send(
        audience, event,
        asio::bind_executor(asio::system_executor(), [to = outcome_](std::error_code error, SendReport report) {
          {
            const std::lock_guard lock(to->mutex);
            to->error = error;
            to->report = std::move(report);
          }
          to->changed.notify_all();
        }));
  }

  bool done() const {
    const std::lock_guard lock(outcome_->mutex);
    return outcome_->report.has_value();
  }
  /// Waits for the completion; false when none comes.
  bool wait() const {
    std::unique_lock lock(outcome_->mutex);
    return outcome_->changed.wait_for(lock, patience, [&] { return outcome_->report.has_value(); });
  }
  /// After `wait`.
  std::error_code error() const {
    const std::lock_guard lock(outcome_->mutex);
    return outcome_->error;
  }
  SendReport report() const {
    const std::lock_guard lock(outcome_->mutex);
    return outcome_->report.value();
  }

  /// Waits for the completion and returns its report. Throws when none comes, or an error.
  SendReport success() const {
    if (!wait()) throw std::runtime_error("a send does not complete");
    if (error()) throw std::system_error(error(), "a send failed");
    return report();
  }

 private:
  struct Outcome {
    std::mutex mutex;
    std::condition_variable changed;
    std::error_code error;
    std::optional<SendReport> report;
  };
  std::shared_ptr<Outcome> outcome_ = std::make_shared<Outcome>();
};

/// Waits for each; returns whether all have succeeded.
inline bool all_succeed(const std::vector<Sending>& sendings) {
  return std::all_of(sendings.begin(), sendings.end(),
                     [](const Sending& sending) { return sending.wait() && !sending.error(); });
}

}  // namespace spate::test
