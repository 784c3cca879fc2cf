// Http2Exchange: one request over HTTP/2, from its first field until its answer has been sent, or its stream begins.
//
// Collects the request, lets an Exchange find its answer, and writes that; or a stream takes the channel with its head.
// It lives as the channel's resident. Shard only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/connection/detail/channel.hpp>
#include <spate/http2/detail/http2_answer.hpp>
#include <spate/http2/detail/http2_framing.hpp>
#include <spate/http2/detail/http2_request.hpp>
#include <spate/server/detail/exchange.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/timed_writer.hpp>

namespace spate::detail {

class Http2Connection;

class Http2Exchange final : public VerdictSink {
 public:
  /// On a channel of `connection`.
  Http2Exchange(Ref<Http2Connection> connection, Http2Framing::Channel channel);
  SPATE_DECL ~Http2Exchange() override;

  // ---- while the request comes in ----

  /// May be given fields and bytes without fear: what fails is kept as the answer.
  void add_field(std::string_view name, std::string_view value) noexcept;
  void end_head(bool body_follows) noexcept;
  void add_body(std::string_view bytes) noexcept;
  void end_body() noexcept { whole_ = true; }

  /// Does what can be done with what has come in so far: answers, or has it handled. Returns whether something was.
  bool advance();

  /// Whether more of the request is to come.
  bool is_partial() const noexcept { return state_ == State::collecting && !whole_; }
  /// Answers that there is no room for its body.
  void refuse_body();

  // ---- as a resident ----

  SPATE_DECL void on_writable() override;
  SPATE_DECL void on_hangup() override;
  SPATE_DECL void on_timer(TimePoint now) override;
  SPATE_DECL void on_drain() override;
  SPATE_DECL std::size_t on_cut() override;
  SPATE_DECL void on_failure(std::error_code error) override;

  // ---- for the respondent ----

  SPATE_DECL Channel open_channel(const Request& request, const HeaderFields& fields) override;
  SPATE_DECL void answer(Response response) override;
  SPATE_DECL void begin_pieces(Response head) override;
  SPATE_DECL void write_piece(std::string piece, Ref<SendWaiter> waiter) override;
  SPATE_DECL void end_pieces(Pieces pieces) override;
  SPATE_DECL void decided(const Authorization& asked, const std::exception_ptr& failure,
                          std::optional<Response> refused) override;

 private:
  enum class State : std::uint8_t {
    collecting,  // the request comes in
    handling,    // a handler, or a hook, has it
    answering,   // the answer goes out
    over,
  };

  // The client may send as much as has come in for this request.
  void give_back_window();
  void set_deadline(std::chrono::milliseconds wait);
  void begin(Request request);
  bool judge_head();
  void refuse(int status, std::string_view reason);
  // Writes what is left of the answer; ends the channel behind the last of it.
  void write();
  void close();

  const Ref<Http2Connection> connection_;  // which holds this no more when the channel is closed
  const Http2Framing::Channel channel_;
  Peer peer_;
  State state_ = State::collecting;
  std::unique_ptr<Http2Request> request_;  // while it comes in
  Http2Answer answer_;
  TimedWriter writer_;
  std::vector<Ref<SendWaiter>> waiters_;  // until the pieces that were put are taken
  Exchange exchange_;
  std::size_t received_ = 0;  // of the body, and not given back
  std::uint32_t urgency_ = Http2Framing::default_urgency;
  bool in_pieces_ = false;  // which are still coming
  bool head_done_ = false;  // all of its fields have come
  bool judged_ = false;     // by its head
  bool whole_ = false;      // all of it has come
  bool failed_ = false;     // for want of memory
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/http2/detail/http2_connection.hpp>
#endif
