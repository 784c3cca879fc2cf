// The functions of stream_settings.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_settings.hpp>

namespace spate::detail {

SPATE_DECL StreamSettings::StreamSettings(StreamOptions chosen, OnException told, bool finishes)
    : options(std::move(chosen)), on_exception(std::move(told)), finish_on_drain(finishes) {
  check(options);
  limits = {options.heartbeat, {options.write_timeout, least_progress(options)}};
  heartbeat = options.heartbeat_event.empty() ? EncodedEvent(Event().comment(""))
                                              : EncodedEvent(Event("").name(options.heartbeat_event));
  if (options.retry) retry = EncodedEvent(Event().retry(*options.retry));
}

SPATE_DECL std::uint64_t StreamSettings::least_progress(const StreamOptions& options) {
  const double seconds = std::chrono::duration<double>(options.write_timeout).count();
  const double bytes = static_cast<double>(options.min_rate) * seconds;
  return static_cast<std::uint64_t>(std::clamp(bytes, 1.0, 1e9));
}

SPATE_DECL void StreamSettings::check(const StreamOptions& options) {
  require_not_negative("spate::StreamOptions::heartbeat", options.heartbeat);
  require_not_negative("spate::StreamOptions::lifetime", options.lifetime);
  require_not_negative("spate::StreamOptions::write_timeout", options.write_timeout);
  require_not_negative("spate::StreamOptions::retry", options.retry.value_or(std::chrono::milliseconds(0)));
  require_not_negative("spate::StreamOptions::retry_min", options.retry_min);
  require_not_negative("spate::StreamOptions::shutdown_retry_min", options.shutdown_retry_min);
  require_in_order("spate::StreamOptions::retry_min", options.retry_min, "retry_max", options.retry_max);
  require_in_order("spate::StreamOptions::shutdown_retry_min", options.shutdown_retry_min, "shutdown_retry_max",
                   options.shutdown_retry_max);
  if (options.retry && options.retry_max.count() > 0) {
    throw std::invalid_argument("spate::StreamOptions: retry (" + std::to_string(options.retry->count()) +
                                " ms) and retry_max (" + std::to_string(options.retry_max.count()) +
                                " ms) are both set");
  }
  // What is used later must not be found impossible then.
  Event().name(options.gap_event).retry(options.retry_max).retry(options.shutdown_retry_max);
}

}  // namespace spate::detail
