// What exceptions say, for tests of who is told of them.
//
//   Journal exceptions;
//   options.on_exception = note_in(exceptions);
#pragma once

#include <exception>
#include <functional>
#include <string>

#include "support/eventually.hpp"

namespace spate::test {

inline std::string text_of(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    return error.what();
  }
}

/// Notes in `journal` what each exception says.
inline std::function<void(std::exception_ptr)> note_in(Journal& journal) {
  return [&journal](const std::exception_ptr& exception) { journal.add(text_of(exception)); };
}

}  // namespace spate::test
