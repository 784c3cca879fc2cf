// The functions of resident.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

SPATE_DECL void Resident::on_failure(std::error_code error) {
  static_cast<void>(error);
  on_cut();
}

SPATE_DECL Remaining Resident::flush(int& budget) {
  static_cast<void>(budget);
  return Remaining::nothing;
}

}  // namespace spate::detail
