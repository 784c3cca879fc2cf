// The functions of log_id.hpp.
#pragma once

#include <spate/cluster/detail/log_id.hpp>
#include <spate/config.hpp>

namespace spate::detail {

SPATE_DECL std::optional<std::uint64_t> LogId::parse(std::string_view id) noexcept {
  std::uint64_t milliseconds = 0, number = 0;
  const char* const end = id.data() + id.size();
  const auto [dash, error] = std::from_chars(id.data(), end, milliseconds);
  if (error != std::errc() || dash == end || *dash != '-') return std::nullopt;
  const auto [last, second_error] = std::from_chars(dash + 1, end, number);
  if (second_error != std::errc() || last != end) return std::nullopt;
  if (milliseconds > (~std::uint64_t{0} >> number_bits) || number > most) return std::nullopt;
  return milliseconds << number_bits | number;
}

}  // namespace spate::detail
