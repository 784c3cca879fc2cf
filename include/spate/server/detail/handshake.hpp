// Handshake: one encrypted connection until both sides have agreed; then what they agreed on begins. Shard only.
//
// Each step costs far more than an event: it comes after what streams have to write, and counts against the turn's
// budget for what it costs. The time for a request is running already.
#pragma once

#include <string>
#include <utility>

#include <spate/config.hpp>
#include <spate/server/detail/connection_facts.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/transport/detail/peer.hpp>
#include <spate/transport/detail/secure_transport.hpp>

namespace spate::detail {

class Handshake final : public Resident {
 public:
  /// `socket` is the shard's. The handshake counts from now on: `is_possible` says whether there is a place for it.
  Handshake(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, SocketId socket, ConnectionFacts facts);
  ~Handshake() override { server_->handshakes.fetch_sub(1, std::memory_order_relaxed); }

  static bool is_possible(const ServerCore& server) noexcept;

  /// Begins with the `peer` at the other end of the socket, as the shard's secure transport has accepted them. Nothing
  /// is done before the client has said something: who only connects makes OpenSSL hold none of its buffers.
  void start(Peer&& peer);

  bool on_readable() override {
    advance();
    return true;
  }
  void on_writable() override { advance(); }
  void on_hangup() override { advance(); }
  SPATE_DECL Remaining flush(int& budget) override;
  void on_timer(TimePoint) override { fail(); }
  void on_drain() override { close(); }
  SPATE_DECL std::size_t on_cut() override;

 private:
  // Of a turn's budget: as much as some hundred events.
  static constexpr int budget_of_step = 32;

  void advance();
  void agreed();
  // The client is told so in the clear, where it can read it.
  void refuse_plain_text();
  void fail();
  void close();

  const Ref<Shard> shard_;
  const Ref<ServerCore> server_;
  const HostPolicy& hosts_;
  const SocketId socket_;
  ConnectionFacts facts_;
  Peer peer_;
  bool dirty_ = false;
  bool waited_ = false;  // for what is new, in this turn
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/handshake.ipp>
#endif
