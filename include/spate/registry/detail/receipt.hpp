// Receipt: what became of an event on the bus, met by whoever awaits it, whichever comes first.
#pragma once

#include <cstdint>
#include <functional>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>

namespace spate::detail {

/// Any thread. It is awaited once.
class Receipt {
 public:
  using Then = std::function<void(std::error_code, std::uint64_t)>;

  /// `answers` have to come, of which the first error counts.
  explicit Receipt(int answers = 1) noexcept : missing_(answers) {}

  void answer(std::error_code error, std::uint64_t sequence);

  /// `then` runs in the call that answers it, or here when it is answered.
  void await(Then then);

 private:
  Mutex mutex_;
  int missing_ SPATE_GUARDED_BY(mutex_);  // answers
  std::error_code error_ SPATE_GUARDED_BY(mutex_);
  std::uint64_t sequence_ SPATE_GUARDED_BY(mutex_) = 0;
  Then then_ SPATE_GUARDED_BY(mutex_);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/receipt.ipp>
#endif
