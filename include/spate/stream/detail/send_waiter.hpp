// SendWaiter: somebody who waits until an event is with the kernel, or is told why it never will be.
#pragma once

#include <system_error>

#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

class SendWaiter : public Resident {
 public:
  virtual void done(std::error_code error) = 0;
  /// Whether nobody waits any more. Any thread.
  virtual bool is_done() const noexcept { return false; }
};

}  // namespace spate::detail
