// The functions of error.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/error.hpp>

namespace spate::detail {

SPATE_DECL std::string ErrorCategory::message(int code) const {
  switch (static_cast<Errc>(code)) {
    case Errc::stream_closed: return "the stream is closed";
    case Errc::queue_overflow: return "the client reads too slowly: its queue is full";
    case Errc::write_timeout: return "the client reads too slowly for the write timeout";
    case Errc::lifetime_reached: return "the stream reached its lifetime";
    case Errc::handler_failed: return "the handler threw an exception";
    case Errc::completed_with_error: return "the program ended the stream with an error";
    case Errc::shut_down: return "the server has shut down";
    case Errc::bus_queue_full: return "too many events wait for the bus";
    case Errc::bus_lost: return "the connection to the bus is lost";
    case Errc::bus_refused: return "the bus answered with an error";
    case Errc::bus_garbled: return "a message on the bus could not be read";
    case Errc::bus_not_replicated: return "too few replicas of the bus have confirmed the event";
    case Errc::already_added: return "the stream has been added already";
    case Errc::not_added: return "the stream has not been added";
    case Errc::store_queue_full: return "too many events wait for the replay store";
    case Errc::too_many_topics: return "the stream has joined too many topics";
  }
  return "unknown spate error " + std::to_string(code);
}

}  // namespace spate::detail

namespace spate {

SPATE_DECL const std::error_category& error_category() noexcept {
  static const detail::ErrorCategory category;
  return category;
}

}  // namespace spate
