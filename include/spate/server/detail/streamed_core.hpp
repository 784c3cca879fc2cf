// StreamedCore: what the copies of a StreamedResponse share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/channel.hpp>
#include <spate/http/response.hpp>
#include <spate/loop/detail/insist.hpp>
#include <spate/stream/detail/shard.hpp>

namespace spate::detail {

/// Takes an answer in pieces, too: a session. Shard only.
class PieceSink : public AnswerSink {
 public:
  /// Puts the head of an answer whose pieces follow.
  virtual void begin_pieces(Response head) = 0;
  /// Writes one; `waiter` is told when it is with the kernel, or why it never will be.
  virtual void write_piece(std::string piece, Ref<SendWaiter> waiter) = 0;
  /// The answer is whole, or never will be.
  enum class Pieces : std::uint8_t { whole, broken };
  virtual void end_pieces(Pieces pieces) = 0;
};

/// Its session shares it as well.
class StreamedCore final : public Resident {
 public:
  StreamedCore(Ref<Shard> shard, Ref<PieceSink> sink) : shard_(std::move(shard)), sink_(std::move(sink)) {}

  // Any thread.
  bool begin(Response head);

  void write(std::string piece, const Ref<SendWaiter>& waiter);

  void end(PieceSink::Pieces pieces);

  void on_error(std::function<void(std::error_code)> callback);

  bool begun() const noexcept { return begun_.load(std::memory_order_acquire); }
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  const Ref<Shard>& shard() const noexcept { return shard_; }

  void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void drop_handle() noexcept {
    if (handles_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    insist([&] { end(PieceSink::Pieces::broken); });  // nobody else would: without memory it waits for some
  }

  // Shard only.

  /// Nothing more can be written: the client has gone, or wants the head alone.
  void over(std::error_code error);
  SPATE_DECL void on_failure(std::error_code error) override;

 private:
  void do_end(PieceSink::Pieces pieces);
  /// With 500, instead of pieces.
  void answer(std::string_view reason);

  const Ref<Shard> shard_;
  std::atomic<bool> begun_{false};  // the head is in the inbox, or beyond it
  std::atomic<bool> open_{true};
  std::atomic<std::uint32_t> handles_{0};
  Ref<PieceSink> sink_;
  bool head_put_ = false;
  std::error_code error_;
  std::function<void(std::error_code)> error_callback_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/streamed_core.ipp>
#endif
