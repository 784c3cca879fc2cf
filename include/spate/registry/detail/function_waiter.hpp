// FunctionWaiter: somebody who waits, as a function that is called once.
//
// Whoever it is given to holds a reference to it until it has called `done`, from a thread of their choice.
#pragma once

#include <functional>
#include <system_error>
#include <utility>

#include <spate/stream/detail/send_waiter.hpp>

namespace spate::detail {

class FunctionWaiter final : public SendWaiter {
 public:
  explicit FunctionWaiter(std::function<void(std::error_code)> function) : function_(std::move(function)) {}
  void done(std::error_code error) override { function_(error); }

 private:
  const std::function<void(std::error_code)> function_;
};

}  // namespace spate::detail
