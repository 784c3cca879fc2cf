// The functions of streamed_core.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/error.hpp>
#include <spate/server/detail/streamed_core.hpp>

namespace spate::detail {

SPATE_DECL bool StreamedCore::begin(Response head) {
  if (begun()) return false;
  // In one step with the post, which may fail, as it is with what ends the answer: whoever finds the head gone out
  // posts after it, and nothing goes before it.
  return shard_->run_if([this] { return is_open() && !begun_.exchange(true, std::memory_order_acq_rel); },
                        [self = Ref<StreamedCore>(this), head = std::move(head)]() mutable {
                          if (!self->sink_) return;
                          self->head_put_ = true;  // or half of it, when that throws
                          Ref<PieceSink>(self->sink_)->begin_pieces(std::move(head));
                        },
                        Ref<Resident>(this));
}

SPATE_DECL void StreamedCore::write(std::string piece, const Ref<SendWaiter>& waiter) {
  if (!begun()) begin(Response(200));
  const bool posted = shard_->run_if([this] { return is_open(); },
                                     [self = Ref<StreamedCore>(this), piece = std::move(piece), waiter]() mutable {
                                       if (!self->sink_) return waiter->done(Errc::stream_closed);
                                       self->sink_->write_piece(std::move(piece), waiter);
                                     },
                                     Ref<Resident>(this));
  if (!posted) waiter->done(shard_->stopped() ? Errc::shut_down : Errc::stream_closed);
}

SPATE_DECL void StreamedCore::end(PieceSink::Pieces pieces) {
  if (!is_open()) return;
  if (pieces == PieceSink::Pieces::whole && !begun()) begin(Response(200));
  shard_->run_if([this] { return open_.exchange(false, std::memory_order_acq_rel); },
                 [self = Ref<StreamedCore>(this), pieces] { self->do_end(pieces); }, Ref<Resident>(this));
}

// Every head that was begun has been put by now.
SPATE_DECL void StreamedCore::do_end(PieceSink::Pieces pieces) {
  const Ref<PieceSink> sink = sink_;
  if (!sink) return;
  if (head_put_) {
    sink->end_pieces(pieces);
  } else {
    answer("the request was not answered");
  }
  sink_ = nullptr;  // not before: what has thrown is still to be cut
}

SPATE_DECL void StreamedCore::answer(std::string_view reason) {
  Response response = Response::error(500, reason);
  head_put_ = true;
  Ref<PieceSink>(sink_)->answer(std::move(response));
}

SPATE_DECL void StreamedCore::on_error(std::function<void(std::error_code)> callback) {
  shard_->run(
      [self = Ref<StreamedCore>(this), callback = std::move(callback)]() mutable {
        if (self->error_) return self->shard_->call_back([callback, error = self->error_] { callback(error); });
        if (self->sink_) self->error_callback_ = std::move(callback);
      },
      Ref<Resident>(this));
}

SPATE_DECL void StreamedCore::over(std::error_code error) {
  open_.store(false, std::memory_order_release);
  error_ = error;
  if (const auto callback = std::exchange(error_callback_, nullptr); callback && error) {
    insist([&] { shard_->call_back([callback, error] { callback(error); }); });  // nobody would do it later
  }
  sink_ = nullptr;
}

SPATE_DECL void StreamedCore::on_failure(std::error_code error) {
  if (const Ref<PieceSink> sink = sink_) {
    if (head_put_) {
      sink->on_cut();
    } else {
      answer("the server failed");
    }
    sink_ = nullptr;
  }
  over(error);
}

}  // namespace spate::detail
