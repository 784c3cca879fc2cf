// Why a value cannot be built as the program wants it.
//
//   CHECK_THAT(refusal([] { Event().id("two\nlines"); }), ContainsSubstring("two\\nlines"));
#pragma once

#include <stdexcept>
#include <string>

namespace spate::test {

/// What the std::invalid_argument says that `build()` throws.
template <typename Build>
std::string refusal(Build build) {
  try {
    build();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "not refused";
}

}  // namespace spate::test
