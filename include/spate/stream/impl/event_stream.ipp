// The functions of event_stream.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/event_stream.hpp>

namespace spate {

SPATE_DECL void EventStream::on_complete(std::function<void()> callback) const {
  detail::require_callable("spate::EventStream: the callback of on_complete", callback);
  core_->on(detail::StreamCore::Moment::complete, [run = std::move(callback)](std::error_code) { run(); });
}

SPATE_DECL void EventStream::on_timeout(std::function<void()> callback) const {
  detail::require_callable("spate::EventStream: the callback of on_timeout", callback);
  core_->on(detail::StreamCore::Moment::timeout, [run = std::move(callback)](std::error_code) { run(); });
}

SPATE_DECL void EventStream::on_error(std::function<void(std::error_code)> callback) const {
  detail::require_callable("spate::EventStream: the callback of on_error", callback);
  core_->on(detail::StreamCore::Moment::error, std::move(callback));
}

}  // namespace spate
