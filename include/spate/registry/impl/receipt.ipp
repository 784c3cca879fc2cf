// The functions of receipt.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/receipt.hpp>

namespace spate::detail {

SPATE_DECL void Receipt::answer(std::error_code error, std::uint64_t sequence) {
  Then then;
  {
    const Lock lock(mutex_);
    if (!error_) error_ = error;
    if (sequence != 0) sequence_ = sequence;
    if (--missing_ > 0) return;
    then.swap(then_);
    error = error_;
    sequence = sequence_;
  }
  if (then) then(error, sequence);
}

SPATE_DECL void Receipt::await(Then then) {
  std::error_code error;
  std::uint64_t sequence = 0;
  {
    const Lock lock(mutex_);
    if (missing_ > 0) {
      then_ = std::move(then);
      return;
    }
    error = error_;
    sequence = sequence_;
  }
  then(error, sequence);
}

}  // namespace spate::detail
