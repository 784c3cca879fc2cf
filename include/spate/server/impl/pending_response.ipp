// The functions of pending_response.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/server/detail/pending_core.hpp>
#include <spate/server/pending_response.hpp>
#include <spate/wire/detail/require.hpp>
#include <spate/wire/impl/core_ref.ipp>

namespace spate {

SPATE_DECL PendingResponse::PendingResponse(detail::Ref<detail::PendingCore> core) : core_(std::move(core)) {
  core_->add_handle();
}
SPATE_DECL PendingResponse::PendingResponse(const PendingResponse& other) : PendingResponse(other.core_.ref()) {}
SPATE_DECL PendingResponse::PendingResponse(PendingResponse&& other) noexcept = default;

SPATE_DECL PendingResponse& PendingResponse::operator=(PendingResponse other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}

SPATE_DECL PendingResponse::~PendingResponse() {
  if (core_) core_->drop_handle();
}

SPATE_DECL bool PendingResponse::respond(Response response) const {
  return core_->respond(std::move(response));
}

SPATE_DECL void PendingResponse::expire_after(std::chrono::steady_clock::duration wait, Response otherwise) const {
  core_->expire_after(wait, std::move(otherwise));
}

SPATE_DECL void PendingResponse::on_timeout(std::function<void()> callback) const {
  detail::require_callable("spate::PendingResponse: the callback of on_timeout", callback);
  core_->on_timeout(std::move(callback));
}

SPATE_DECL void PendingResponse::on_error(std::function<void(std::error_code)> callback) const {
  detail::require_callable("spate::PendingResponse: the callback of on_error", callback);
  core_->on_error(std::move(callback));
}

SPATE_DECL bool PendingResponse::is_open() const noexcept {
  return core_->open();
}

SPATE_DECL asio::any_io_executor PendingResponse::get_executor() const {
  return core_->executor();
}

}  // namespace spate

#if !defined(SPATE_HEADER_ONLY)
template class spate::detail::CoreRef<spate::detail::PendingCore>;
#endif
