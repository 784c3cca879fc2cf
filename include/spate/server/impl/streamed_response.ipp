// The functions of streamed_response.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/streamed_response.hpp>

namespace spate::detail {

SPATE_DECL bool StreamedCore::begin(Response head) {
  if (begun_.exchange(true, std::memory_order_acq_rel)) return false;
  return run([head = std::move(head)](PieceOrigin& origin) mutable { origin.begin_pieces(std::move(head)); });
}

SPATE_DECL void StreamedCore::write(std::string piece, const Ref<SendWaiter>& waiter) {
  begin(Response(200));
  const bool posted =
      is_open() && shard_->run(
                       [self = Ref<StreamedCore>(this), piece = std::move(piece), to_tell = waiter]() mutable {
                         if (!self->origin_) return to_tell->done(Errc::stream_closed);
                         self->origin_->write_piece(std::move(piece), std::move(to_tell));
                       },
                       Ref<Resident>(this));
  if (!posted) waiter->done(shard_->stopped() ? Errc::shut_down : Errc::stream_closed);
}

SPATE_DECL void StreamedCore::end(PieceOrigin::Pieces pieces) {
  if (pieces == PieceOrigin::Pieces::whole) begin(Response(200));
  if (!open_.exchange(false, std::memory_order_acq_rel)) return;
  const bool begun = begun_.exchange(true, std::memory_order_acq_rel);
  run([self = this, pieces, begun](PieceOrigin& origin) {
    const Ref<PieceOrigin> alive(&origin);
    self->origin_ = nullptr;
    if (begun) return alive->end_pieces(pieces);
    alive->answer(Response::error(500, "the request was not answered"));
  });
}

SPATE_DECL void StreamedCore::on_error(std::function<void(std::error_code)> callback) {
  shard_->run(
      [self = Ref<StreamedCore>(this), callback = std::move(callback)]() mutable {
        if (self->error_) return self->shard_->call_back([callback, error = self->error_] { callback(error); });
        if (self->origin_) self->error_callback_ = std::move(callback);
      },
      Ref<Resident>(this));
}

SPATE_DECL void StreamedCore::over(std::error_code error) {
  open_.store(false, std::memory_order_release);
  origin_ = nullptr;
  error_ = error;
  if (auto callback = std::exchange(error_callback_, nullptr); callback && error) {
    shard_->call_back([callback = std::move(callback), error] { callback(error); });
  }
}

SPATE_DECL void StreamedCore::on_failure(std::error_code error) {
  if (const Ref<PieceOrigin> origin = origin_) origin->end_pieces(PieceOrigin::Pieces::broken);
  over(error);
}

}  // namespace spate::detail

namespace spate {

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

SPATE_DECL StreamedResponse& StreamedResponse::operator=(StreamedResponse other) noexcept {
  std::swap(core_, other.core_);
  return *this;
}

}  // namespace spate
