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
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/http/response.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate {

namespace detail {

/// What the copies of a PendingResponse share, and its session with them.
class PendingCore final : public Resident {
 public:
  PendingCore(Ref<Shard> shard, Ref<StreamOrigin> origin) : shard_(std::move(shard)), origin_(std::move(origin)) {}

  // Any thread.
  bool respond(Response response) {
    if (answered_.exchange(true, std::memory_order_acq_rel)) return false;
    response_ = std::move(response);  // nobody else writes it any more, and the shard reads it behind the post
    return shard_->post(Ref<PendingCore>(this), 0);
  }
  bool open() const noexcept { return !answered_.load(std::memory_order_acquire); }

  void expire_after(Clock::duration wait, Response otherwise) {
    shard_->run([self = Ref<PendingCore>(this), at = Clock::now() + wait, otherwise = std::move(otherwise)]() mutable {
      if (!self->origin_) return;
      self->otherwise_ = std::make_unique<Response>(std::move(otherwise));
      self->shard_->set_timer(*self, at);
    });
  }

  void on_timeout(std::function<void()> callback) {
    shard_->run([self = Ref<PendingCore>(this), callback = std::move(callback)]() mutable {
      if (self->timed_out_) return self->shard_->call_back(std::move(callback));
      if (self->origin_) self->timeout_callbacks_.push_back(std::move(callback));
    });
  }
  void on_error(std::function<void(std::error_code)> callback) {
    shard_->run([self = Ref<PendingCore>(this), callback = std::move(callback)]() mutable {
      if (self->error_) return self->shard_->call_back([callback, error = self->error_] { callback(error); });
      if (self->origin_) self->error_callbacks_.push_back(std::move(callback));
    });
  }

  asio::any_io_executor executor() const { return shard_->executor(); }

  void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_handle() {
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) == 1 && open()) {
      respond(Response::error(500, "the request was not answered"));
    }
  }

  // Shard only.
  void receive(std::uint32_t, EncodedEvent&&) override { finish(std::move(response_)); }

  void on_timer(TimePoint) override {
    if (answered_.exchange(true, std::memory_order_acq_rel)) return;
    timed_out_ = true;
    for (auto& callback : std::exchange(timeout_callbacks_, {})) shard_->call_back(std::move(callback));
    finish(std::move(*otherwise_));
  }

  /// The client has gone before it was answered. What another thread answers at this very moment reaches nobody.
  void connection_lost(std::error_code error) {
    if (answered_.exchange(true, std::memory_order_acq_rel)) return let_go();
    error_ = error;
    for (auto& callback : std::exchange(error_callbacks_, {})) {
      shard_->call_back([callback = std::move(callback), error] { callback(error); });
    }
    let_go();
  }

 private:
  void finish(Response response) {
    if (!origin_) return;
    const Ref<StreamOrigin> origin = origin_;
    let_go();
    origin->answer(std::move(response));
  }

  void let_go() {
    shard_->set_timer(*this, never);
    origin_ = nullptr;
    // They may hold a PendingResponse, and with it this.
    timeout_callbacks_.clear();
    error_callbacks_.clear();
  }

  const Ref<Shard> shard_;
  std::atomic<bool> answered_{false};
  std::atomic<std::uint32_t> handles_{0};
  Ref<StreamOrigin> origin_;  // the session
  Response response_;         // written by whoever set `answered_`
  std::unique_ptr<Response> otherwise_;
  std::error_code error_;
  bool timed_out_ = false;
  std::vector<std::function<void()>> timeout_callbacks_;
  std::vector<std::function<void(std::error_code)>> error_callbacks_;
};

}  // namespace detail

class PendingResponse {
 public:
  /// Answers with `response`. Returns false when an answer was given before, the wait expired, or the client has gone.
  bool respond(Response response) const { return core_->respond(std::move(response)); }

  /// Answers with `otherwise` if no other answer came within `wait`. The last call counts.
  void expire_after(std::chrono::steady_clock::duration wait, Response otherwise) const {
    core_->expire_after(wait, std::move(otherwise));
  }

  /// Runs `callback` when the wait has expired.
  /// Throws std::invalid_argument, like `on_error`, when `callback` is empty.
  void on_timeout(std::function<void()> callback) const {
    detail::require_callable("spate::PendingResponse: the callback of on_timeout", callback);
    core_->on_timeout(std::move(callback));
  }

  /// Runs `callback` when the connection broke before the answer. A client that only ended its own side may still read.
  void on_error(std::function<void(std::error_code)> callback) const {
    detail::require_callable("spate::PendingResponse: the callback of on_error", callback);
    core_->on_error(std::move(callback));
  }

  /// Whether an answer given now has a chance to arrive.
  bool is_open() const noexcept { return core_->open(); }

  /// Where the callbacks run: the loop of the connection.
  asio::any_io_executor get_executor() const { return core_->executor(); }

  /// For the server.
  explicit PendingResponse(detail::Ref<detail::PendingCore> core) : core_(std::move(core)) { core_->add_handle(); }
  PendingResponse(const PendingResponse& other) : PendingResponse(other.core_) {}
  PendingResponse(PendingResponse&& other) noexcept = default;
  PendingResponse& operator=(PendingResponse other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~PendingResponse() {
    if (core_) core_->drop_handle();
  }

 private:
  detail::Ref<detail::PendingCore> core_;  // null once it has been moved from
};

}  // namespace spate
