// The functions of pending_core.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/server/detail/pending_core.hpp>

namespace spate::detail {

SPATE_DECL bool PendingCore::respond(Response response) {
  if (!open()) return false;
  // In one step with the post, which may fail: then nobody has answered.
  return shard_->post_if(
      [&] {
        if (answered_.exchange(true, std::memory_order_acq_rel)) return false;
        response_ = std::move(response);  // nobody else writes it any more
        return true;
      },
      call<&PendingCore::answer_kept>(Ref<PendingCore>(this)));
}

SPATE_DECL void PendingCore::expire_after(Clock::duration wait, Response otherwise) {
  shard_->run(
      [self = Ref<PendingCore>(this), at = shard_->clock_now() + wait, otherwise = std::move(otherwise)]() mutable {
        if (!self->sink_) return;
        insist([&] { self->otherwise_ = std::make_unique<Response>(std::move(otherwise)); });
        insist([&] { self->shard_->set_timer(*self, at); });
      });
}

SPATE_DECL void PendingCore::on_timeout(std::function<void()> callback) {
  shard_->run([self = Ref<PendingCore>(this), callback = std::move(callback)] {
    insist([&] {
      if (self->timed_out_) return self->shard_->call_back(callback);
      if (self->sink_) self->timeout_callbacks_.push_back(callback);
    });
  });
}

SPATE_DECL void PendingCore::on_error(std::function<void(std::error_code)> callback) {
  shard_->run([self = Ref<PendingCore>(this), callback = std::move(callback)] {
    insist([&] {
      if (self->error_) return self->shard_->call_back([callback, error = self->error_] { callback(error); });
      if (self->sink_) self->error_callbacks_.push_back(callback);
    });
  });
}

SPATE_DECL void PendingCore::drop_handle() noexcept {
  if (handles_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  // Nobody else would answer: without memory it waits for some.
  insist([&] {
    if (open()) respond(Response::error(500, "the request was not answered"));
  });
}

SPATE_DECL void PendingCore::on_timer(TimePoint) {
  if (answered_.exchange(true, std::memory_order_acq_rel)) return;
  timed_out_ = true;
  insist_for_each(std::exchange(timeout_callbacks_, {}), [&](const auto& callback) { shard_->call_back(callback); });
  finish(std::move(*otherwise_));
}

SPATE_DECL void PendingCore::connection_lost(std::error_code error) {
  if (answered_.exchange(true, std::memory_order_acq_rel)) return let_go();
  error_ = error;
  insist_for_each(std::exchange(error_callbacks_, {}),
                  [&](const auto& callback) { shard_->call_back([callback, error] { callback(error); }); });
  let_go();
}

SPATE_DECL void PendingCore::finish(Response response) {
  if (!sink_) return;
  const Ref<AnswerSink> sink = sink_;
  let_go();
  sink->answer(std::move(response));
}

SPATE_DECL void PendingCore::let_go() {
  shard_->set_timer(*this, never);
  sink_ = nullptr;
  // They may hold a PendingResponse, and with it this.
  timeout_callbacks_.clear();
  error_callbacks_.clear();
}

}  // namespace spate::detail
