// AdoptedSocket: what answers for a stream whose connection another server accepted, until its head goes out.
//
// Until the head goes out it watches over the socket, so that a client that leaves is noticed then, too. One that has
// ended only its own side may wait for another answer than a stream, as with a server's own connections. What is
// answered instead of a stream, it writes to its last byte, and then closes.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <spate/config.hpp>
#include <spate/connection/detail/channel.hpp>
#include <spate/connection/detail/half_closed.hpp>
#include <spate/connection/detail/http1_head.hpp>
#include <spate/stream/detail/stream_core.hpp>
#include <spate/transport/detail/discard_input.hpp>
#include <spate/transport/detail/lingering_close.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/secure_transport.hpp>
#include <spate/transport/detail/timed_writer.hpp>

namespace spate::detail {

class AdoptedSocket final : public AnswerSink {
 public:
  /// `fields` are added to every answer.
  AdoptedSocket(Shard& shard, const Request& request, HeaderFields fields, Ref<StreamSettings> settings,
                bool admits_gzip);

  /// Begins to watch, on behalf of `stream`. `security` is null for a connection in the clear.
  void begin(OwnedSocket socket, std::unique_ptr<EstablishedSecurity> security, Ref<StreamCore> stream,
             std::error_code error);

  SPATE_DECL bool on_readable() override;
  SPATE_DECL void on_hangup() override;
  void on_writable() override {
    if (peer_ && !stream_) write();
  }
  SPATE_DECL void on_timer(TimePoint now) override;
  void on_drain() override {
    if (stream_) stream_->end(EndReason::shutdown);
  }
  SPATE_DECL std::size_t on_cut() override;

  bool input_ended() const noexcept override { return ended_; }

  SPATE_DECL Channel open_channel(const Request& request, const HeaderFields& fields) override;

  SPATE_DECL void answer(Response response) override;

  SPATE_DECL void answer_head(const Request& request, const HeaderFields& fields, Framing framing) override;

 private:
  // The client has ended its side. It may wait for another answer than a stream.
  void await_departure();
  void probe();
  void look_later(std::chrono::seconds wait);

  // Answers with what `make` returns. If that fails the client gets none: whoever answers has nothing to do with it any
  // more.
  template <typename Make>
  void put_or_close(Make make) {
    try {
      put(make());
    } catch (...) {
      close();
      throw;
    }
  }
  void put(std::string bytes);

  void write();

  void lose(std::error_code error) {
    if (const Ref<StreamCore> stream = close()) stream->connection_lost(error);
  }

  Ref<StreamCore> close();

  Shard& shard_;  // outlives its sockets, and with them what is told of them
  const HeadContext context_;
  const HeaderFields fields_;
  const Ref<StreamSettings> settings_;
  Peer peer_;
  Ref<StreamCore> stream_;  // until its head goes out, or what is answered instead
  std::string answer_;
  std::size_t sent_ = 0;  // of `answer_`
  TimedWriter writer_;    // of `answer_`
  std::chrono::seconds probe_wait_{0};
  const bool admits_gzip_;
  bool ended_ = false;  // the client has ended its side
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/stream/impl/adopted_socket.ipp>
#endif
