// The functions of handlers.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/handlers.hpp>

namespace spate::detail {

SPATE_DECL bool tells_the_end(const std::exception_ptr& exception) noexcept {
  try {
    std::rethrow_exception(exception);
  } catch (const std::system_error& error) {
    return error.code() == Errc::stream_closed || error.code() == Errc::shut_down ||
           error.code() == asio::error::operation_aborted;
  } catch (...) {
    return false;
  }
}

SPATE_DECL void stream_handler_failed(const EventStream& stream, const OnException& on_exception,
                                      std::exception_ptr exception) {
  report(on_exception, std::move(exception));
  if (!stream.reject(Response::error(500, "the handler failed"))) {
    stream.complete_with_error(Errc::handler_failed);
  }
}

}  // namespace spate::detail
