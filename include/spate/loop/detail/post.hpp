// Posting and waiting with handlers of one type.
//
// Asio compiles its machinery anew for each type of handler, a tenth of a second in every file that includes the
// library. What is not on the way of an event is therefore erased to a std::function first.
#pragma once

#include <functional>
#include <system_error>
#include <utility>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>

namespace spate::detail {

using WaitHandler = std::function<void(const std::error_code&)>;

/// Any thread. Runs `function` on `executor`, never inside the call.
inline void post_function(const asio::any_io_executor& executor, std::function<void()> function) {
  asio::post(executor, std::move(function));
}

}  // namespace spate::detail
