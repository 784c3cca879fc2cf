// The functions of event_stream.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/stream/event_stream.hpp>
#include <spate/wire/detail/require.hpp>
#include <spate/wire/impl/core_ref.ipp>

namespace spate {

SPATE_DECL std::shared_ptr<const Request> EventStream::request() const {
  return core_->request();
}

SPATE_DECL std::string EventStream::last_event_id() const {
  return core_->last_event_id();
}

SPATE_DECL Transport EventStream::transport() const noexcept {
  return core_->transport();
}

SPATE_DECL void EventStream::open() const {
  core_->open();
}

SPATE_DECL bool EventStream::header(std::string_view name, std::string_view value) const {
  return core_->set_header(name, value, detail::StreamCore::Beside::replaces);
}

SPATE_DECL bool EventStream::add_header(std::string_view name, std::string_view value) const {
  return core_->set_header(name, value, detail::StreamCore::Beside::adds);
}

SPATE_DECL bool EventStream::reject(Response response) const {
  return core_->reject(std::move(response));
}

SPATE_DECL SendResult EventStream::send(EncodedEvent event) const {
  return core_->send(std::move(event));
}

SPATE_DECL void EventStream::complete() const {
  core_->end(EndReason::completed);
}

SPATE_DECL void EventStream::complete(const Event& last) const {
  core_->end(EndReason::completed, {}, EncodedEvent(last));
}

SPATE_DECL void EventStream::complete_with_error(std::error_code error) const {
  core_->end(EndReason::error, error);
}

SPATE_DECL void EventStream::complete_with_error(std::error_code error, const Event& last) const {
  core_->end(EndReason::error, error, EncodedEvent(last));
}

SPATE_DECL void EventStream::expire_at(std::chrono::system_clock::time_point moment) const {
  core_->expire_at(moment);
}

SPATE_DECL bool EventStream::is_open() const noexcept {
  return core_->is_open();
}

SPATE_DECL std::size_t EventStream::queued_bytes() const noexcept {
  return core_->queued_bytes();
}

#if SPATE_HAS_STOP_TOKEN
SPATE_DECL std::stop_token EventStream::stop_token() const {
  return core_->stop_token();
}
#endif

SPATE_DECL asio::any_io_executor EventStream::get_executor() const {
  return core_->shard().executor();
}

SPATE_DECL EventStream::EventStream(detail::Ref<detail::StreamCore> core) noexcept : core_(std::move(core)) {}

SPATE_DECL void EventStream::send(const Core& core, EncodedEvent event,
                                  const detail::Ref<detail::CompletionWaiter>& waiter) {
  waiter->run_on(core->shard_ref());
  core->send(std::move(event), detail::Ref<detail::SendWaiter>(waiter));
}

SPATE_DECL void EventStream::when_ended(const Core& core, const detail::Ref<detail::CompletionWaiter>& waiter) {
  waiter->run_on(core->shard_ref());
  core->when_ended(waiter);
}

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

#if !defined(SPATE_HEADER_ONLY)
template class spate::detail::CoreRef<spate::detail::StreamCore>;
#endif
