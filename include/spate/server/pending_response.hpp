// A PendingResponse is an answer that is given later, from any thread: long polling, a slow computation, a queue.
//
//   server.get("/deferred", [&](const spate::Request&, spate::PendingResponse pending) {
//     pending.expire_after(3s, spate::Response::text(200, "nothing yet"));
//     jobs.push([pending] { pending.respond(spate::Response::text(200, compute())); });
//   });
//
// A handle: copies refer to the same request, any thread may use any copy at any time, and the first answer counts. No
// thread waits meanwhile. When every copy is gone without an answer the client gets 500. Callbacks run on the loop of
// the connection, one at a time, never inside a call.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/http/response.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate {

namespace detail {

/// Whoever answers a request: a session. Shard only.
class Responder : public Resident {
 public:
  virtual void respond(Response response) = 0;
};

/// What the copies of a PendingResponse share, and its session with them.
class PendingCore final : public Resident {
 public:
  PendingCore(Ref<Shard> shard, Ref<Responder> responder)
      : shard_(std::move(shard)), responder_(std::move(responder)) {}

  // Any thread.
  bool respond(Response response) {
    if (answered_.exchange(true, std::memory_order_acq_rel)) return false;
    return shard_->run([self = Ref<PendingCore>(this), response = std::move(response)]() mutable {
      self->finish(std::move(response));
    });
  }
  bool open() const noexcept { return !answered_.load(std::memory_order_acquire); }

  void expire_after(Clock::duration wait, Response otherwise) {
    shard_->run([self = Ref<PendingCore>(this), at = Clock::now() + wait, otherwise = std::move(otherwise)]() mutable {
      if (!self->responder_) return;
      self->otherwise_ = std::move(otherwise);
      self->shard_->set_timer(*self, at);
    });
  }

  void on_timeout(std::function<void()> callback) {
    shard_->run([self = Ref<PendingCore>(this), callback = std::move(callback)]() mutable {
      if (self->timed_out_) return self->shard_->call_back(std::move(callback));
      if (self->responder_) self->timeout_callbacks_.push_back(std::move(callback));
    });
  }
  void on_error(std::function<void(std::error_code)> callback) {
    shard_->run([self = Ref<PendingCore>(this), callback = std::move(callback)]() mutable {
      if (self->error_) return self->shard_->call_back([callback, error = self->error_] { callback(error); });
      if (self->responder_) self->error_callbacks_.push_back(std::move(callback));
    });
  }

  asio::any_io_executor executor() const { return shard_->executor(); }

  // Shard only.
  void on_timer(TimePoint) override {
    if (answered_.exchange(true, std::memory_order_acq_rel)) return;
    timed_out_ = true;
    for (auto& callback : std::exchange(timeout_callbacks_, {})) shard_->call_back(std::move(callback));
    finish(std::move(otherwise_));
  }

  /// The client has gone before there was an answer.
  void connection_lost(std::error_code error) {
    if (answered_.exchange(true, std::memory_order_acq_rel)) return;
    error_ = error;
    for (auto& callback : std::exchange(error_callbacks_, {})) {
      shard_->call_back([callback = std::move(callback), error] { callback(error); });
    }
    let_go();
  }

 private:
  void finish(Response response) {
    if (!responder_) return;
    const Ref<Responder> responder = responder_;
    let_go();
    responder->respond(std::move(response));
  }

  void let_go() {
    shard_->set_timer(*this, never);
    responder_ = nullptr;
    // They may hold a PendingResponse, and with it this.
    timeout_callbacks_.clear();
    error_callbacks_.clear();
  }

  const Ref<Shard> shard_;
  std::atomic<bool> answered_{false};
  Ref<Responder> responder_;
  Response otherwise_;
  std::error_code error_;
  bool timed_out_ = false;
  std::vector<std::function<void()>> timeout_callbacks_;
  std::vector<std::function<void(std::error_code)>> error_callbacks_;
};

}  // namespace detail

class PendingResponse {
 public:
  /// Answers with `response`. Returns false when an answer was given before, the wait expired, or the client has gone.
  bool respond(Response response) const { return shared_->core->respond(std::move(response)); }

  /// Answers with `otherwise` if no other answer came within `wait`. The last call counts.
  void expire_after(std::chrono::steady_clock::duration wait, Response otherwise) const {
    shared_->core->expire_after(wait, std::move(otherwise));
  }

  /// Runs `callback` when the wait has expired.
  void on_timeout(std::function<void()> callback) const { shared_->core->on_timeout(std::move(callback)); }

  /// Runs `callback` when the connection broke before the answer. A client that only ended its own side may still read.
  void on_error(std::function<void(std::error_code)> callback) const { shared_->core->on_error(std::move(callback)); }

  /// Whether an answer given now has a chance to arrive.
  bool is_open() const noexcept { return shared_->core->open(); }

  /// Where the callbacks run: the loop of the connection.
  asio::any_io_executor get_executor() const { return shared_->core->executor(); }

  /// For the server.
  explicit PendingResponse(detail::Ref<detail::PendingCore> core)
      : shared_(std::make_shared<Shared>(std::move(core))) {}

 private:
  struct Shared {
    explicit Shared(detail::Ref<detail::PendingCore> pending) : core(std::move(pending)) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    ~Shared() {
      if (core->open()) core->respond(Response::error(500, "the request was not answered"));
    }
    const detail::Ref<detail::PendingCore> core;
  };
  std::shared_ptr<Shared> shared_;
};

}  // namespace spate
