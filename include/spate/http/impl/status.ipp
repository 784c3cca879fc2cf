// The functions of status.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/http/detail/status.hpp>

namespace spate::detail {

SPATE_DECL void append_all(std::string& out, std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  std::size_t at = out.size();
  out.resize(at + size);
  for (const std::string_view part : parts) at += part.copy(out.data() + at, part.size());
}

}  // namespace spate::detail
