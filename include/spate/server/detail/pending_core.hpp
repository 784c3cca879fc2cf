// PendingCore: what the copies of a PendingResponse share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <spate/config.hpp>
#include <spate/connection/detail/channel.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/clock.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

/// Its session shares it as well.
class PendingCore final : public Resident {
 public:
  PendingCore(Ref<Shard> shard, Ref<AnswerSink> sink) : shard_(std::move(shard)), sink_(std::move(sink)) {}

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

  SPATE_DECL void on_timer(TimePoint) override;

  /// The client has gone before it was answered. What another thread answers at this very moment reaches nobody.
  void connection_lost(std::error_code error);

 private:
  void finish(Response response);

  void let_go();

  const Ref<Shard> shard_;
  std::atomic<bool> answered_{false};
  std::atomic<std::uint32_t> handles_{0};
  Ref<AnswerSink> sink_;  // the session
  Response response_;     // written by whoever set `answered_`
  std::unique_ptr<Response> otherwise_;
  std::error_code error_;
  bool timed_out_ = false;
  std::vector<std::function<void()>> timeout_callbacks_;
  std::vector<std::function<void(std::error_code)>> error_callbacks_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/pending_core.ipp>
#endif
