// The functions of answer.hpp.
#pragma once

#include <ostream>

#include <spate/config.hpp>
#include <spate/testing/answer.hpp>

namespace spate::testing {

SPATE_DECL std::optional<std::string> Answer::header(std::string_view name) const {
  const std::string* const value = detail::find_field(headers, name);
  return value == nullptr ? std::nullopt : std::optional(*value);
}

SPATE_DECL std::ostream& operator<<(std::ostream& out, const Answer& answer) {
  out << answer.status << '\n';
  for (const auto& [name, value] : answer.headers) out << name << ": " << value << '\n';
  return out << '\n' << answer.body;
}

}  // namespace spate::testing
