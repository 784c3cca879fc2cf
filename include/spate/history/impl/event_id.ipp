// The functions of event_id.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/event_id.hpp>

namespace spate::detail {

SPATE_DECL std::string format_event_id(std::string_view epoch, std::uint64_t sequence) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, sequence).ptr;
  std::string id;
  id.reserve(epoch.size() + 21);
  id.append(epoch).append("-").append(digits, end);
  return id;
}

SPATE_DECL std::optional<std::uint64_t> parse_event_id(std::string_view epoch, std::string_view id) noexcept {
  if (id.substr(0, epoch.size()) != epoch) return std::nullopt;
  id.remove_prefix(epoch.size());
  if (id.size() < 2 || id.front() != '-' || (id[1] == '0' && id.size() > 2)) return std::nullopt;
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(id.data() + 1, id.data() + id.size(), sequence);
  if (error != std::errc() || end != id.data() + id.size()) return std::nullopt;
  return sequence;
}

}  // namespace spate::detail
