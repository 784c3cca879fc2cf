// The functions of receipt.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/registry/detail/receipt.hpp>

namespace spate::detail {

SPATE_DECL void Receipt::answer(std::error_code error, std::uint64_t sequence) {
  Then then;
  {
    const Lock lock(mutex_);
    result_ = {error, sequence};
    then.swap(then_);
  }
  if (then) then(error, sequence);
}

SPATE_DECL void Receipt::await(Then then) {
  std::pair<std::error_code, std::uint64_t> result;
  {
    const Lock lock(mutex_);
    if (!result_) {
      then_ = std::move(then);
      return;
    }
    result = *result_;
  }
  then(result.first, result.second);
}

}  // namespace spate::detail
