// The functions of streamed_response.hpp.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <spate/config.hpp>
#include <spate/http/detail/status.hpp>
#include <spate/server/detail/streamed_core.hpp>
#include <spate/server/streamed_response.hpp>
#include <spate/wire/detail/require.hpp>
#include <spate/wire/impl/core_ref.ipp>

namespace spate {

SPATE_DECL StreamedResponse::StreamedResponse(detail::Ref<detail::StreamedCore> core) : core_(std::move(core)) {
  core_->add_handle();
}
SPATE_DECL StreamedResponse::StreamedResponse(const StreamedResponse& other) : StreamedResponse(other.core_.ref()) {}
SPATE_DECL StreamedResponse::StreamedResponse(StreamedResponse&& other) noexcept = default;

SPATE_DECL StreamedResponse& StreamedResponse::operator=(StreamedResponse other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}

SPATE_DECL StreamedResponse::~StreamedResponse() {
  if (core_) core_->drop_handle();
}

SPATE_DECL void StreamedResponse::write(const Core& core, std::string piece,
                                        const detail::Ref<detail::CompletionWaiter>& waiter) {
  waiter->run_on(core->shard());
  core->write(std::move(piece), detail::Ref<detail::SendWaiter>(waiter));
}

SPATE_DECL void StreamedResponse::finish() const {
  core_->end(detail::PieceSink::Pieces::whole);
}

SPATE_DECL void StreamedResponse::abort() const {
  core_->end(detail::PieceSink::Pieces::broken);
}

SPATE_DECL bool StreamedResponse::is_open() const noexcept {
  return core_->is_open();
}

SPATE_DECL asio::any_io_executor StreamedResponse::get_executor() const {
  return core_->shard()->executor();
}

SPATE_DECL bool StreamedResponse::begin(Response head) const {
  if (!detail::allows_body(head.status())) {
    throw std::invalid_argument("spate::StreamedResponse: no body follows the status " + std::to_string(head.status()));
  }
  return core_->begin(std::move(head));
}

SPATE_DECL void StreamedResponse::on_error(std::function<void(std::error_code)> callback) const {
  detail::require_callable("spate::StreamedResponse: the callback of on_error", callback);
  core_->on_error(std::move(callback));
}

}  // namespace spate

#if !defined(SPATE_HEADER_ONLY)
template class spate::detail::CoreRef<spate::detail::StreamedCore>;
#endif
