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

#include <spate/config.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/insist.hpp>
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
  bool respond(Response response);
  bool open() const noexcept { return !answered_.load(std::memory_order_acquire); }

  void expire_after(Clock::duration wait, Response otherwise);

  void on_timeout(std::function<void()> callback);
  void on_error(std::function<void(std::error_code)> callback);

  asio::any_io_executor executor() const { return shard_->executor(); }

  void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_handle() noexcept;

  // Shard only.
  void answer_kept() { finish(std::move(response_)); }

  void on_timer(TimePoint) override;

  /// The client has gone before it was answered. What another thread answers at this very moment reaches nobody.
  void connection_lost(std::error_code error);

 private:
  void finish(Response response);

  void let_go();

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
  void on_timeout(std::function<void()> callback) const;

  /// Runs `callback` when the connection broke before the answer. A client that only ended its own side may still read.
  void on_error(std::function<void(std::error_code)> callback) const;

  /// Whether an answer given now has a chance to arrive.
  bool is_open() const noexcept { return core_->open(); }

  /// Where the callbacks run: the loop of the connection.
  asio::any_io_executor get_executor() const { return core_->executor(); }

  /// For the server.
  explicit PendingResponse(detail::Ref<detail::PendingCore> core) : core_(std::move(core)) { core_->add_handle(); }
  PendingResponse(const PendingResponse& other) : PendingResponse(other.core_) {}
  PendingResponse(PendingResponse&& other) noexcept = default;
  PendingResponse& operator=(PendingResponse other) noexcept;
  ~PendingResponse() {
    if (core_) core_->drop_handle();
  }

 private:
  detail::Ref<detail::PendingCore> core_;  // null once it has been moved from
};

}  // namespace spate

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/pending_response.ipp>
#endif
