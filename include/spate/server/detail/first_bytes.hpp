// FirstBytes: a connection in the clear until what its client sends first tells which protocol it speaks. (RFC
// 9113 3.3) Shard only.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <spate/config.hpp>
#include <spate/server/detail/connection_facts.hpp>
#include <spate/server/detail/connection_protocol.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/stream/detail/shard.hpp>
#include <spate/transport/detail/peer.hpp>

namespace spate::detail {

class FirstBytes final : public Resident {
 public:
  /// For a server that speaks another protocol beside HTTP/1. The peer is taken when nothing can fail any more.
  FirstBytes(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, Peer&& peer, ConnectionFacts facts)
      : shard_(std::move(shard)), server_(std::move(server)), hosts_(hosts), facts_(std::move(facts)) {
    peer_ = std::move(peer);
  }

  void start();

  SPATE_DECL bool on_readable() override;
  void on_hangup() override { on_readable(); }
  void on_timer(TimePoint) override { close(); }
  void on_drain() override { close(); }
  SPATE_DECL std::size_t on_cut() override;

 private:
  void begin(std::string_view read);
  void close();

  const Ref<Shard> shard_;
  const Ref<ServerCore> server_;
  const HostPolicy& hosts_;
  Peer peer_;
  ConnectionFacts facts_;
  std::string read_;  // so far: less than a preface, and like one
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/first_bytes.ipp>
#endif
