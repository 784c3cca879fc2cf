// The functions of handshake.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/begin_connection.hpp>
#include <spate/server/detail/handshake.hpp>

namespace spate::detail {

SPATE_DECL Handshake::Handshake(Ref<Shard> shard, Ref<ServerCore> server, const HostPolicy& hosts, SocketId socket,
                                ConnectionFacts facts)
    : shard_(std::move(shard)), server_(std::move(server)), hosts_(hosts), socket_(socket), facts_(std::move(facts)) {
  server_->handshakes.fetch_add(1, std::memory_order_relaxed);
}

SPATE_DECL bool Handshake::is_possible(const ServerCore& server) noexcept {
  const std::size_t most = server.options.max_handshakes;
  return most == 0 || server.handshakes.load(std::memory_order_relaxed) < most;
}

SPATE_DECL void Handshake::start(Peer&& peer) {
  peer_ = std::move(peer);
  peer_.set_resident(Ref<Resident>(this));
  const auto wait = server_->options.request_timeout;
  if (wait.count() > 0) shard_->set_timer(*this, shard_->now() + wait);
}

SPATE_DECL Remaining Handshake::flush(int& budget) {
  if (!std::exchange(waited_, true)) return Remaining::bulk;
  dirty_ = waited_ = false;
  if (!peer_) return Remaining::nothing;
  budget -= budget_of_step;
  switch (shard_->secure()->shake_hands(socket_)) {
    case SecureTransport::Handshake::under_way: break;
    case SecureTransport::Handshake::done: agreed(); break;
    case SecureTransport::Handshake::plain_text: refuse_plain_text(); break;
    case SecureTransport::Handshake::failed: fail(); break;
  }
  return Remaining::nothing;
}

SPATE_DECL std::size_t Handshake::on_cut() {
  close();
  return 0;  // nothing had been asked yet
}

SPATE_DECL void Handshake::advance() {
  if (std::exchange(dirty_, true)) return;
  shard_->mark_dirty(Ref<Resident>(this));
}

SPATE_DECL void Handshake::agreed() {
  const Ref<Handshake> alive(this);
  PeerIdentity identity = shard_->secure()->identity(socket_);
  shard_->set_timer(*this, never);
  facts_.encrypted = true;
  facts_.client_subject = std::move(identity.subject);
  try {
    begin_agreed(shard_, server_, hosts_, std::move(peer_), std::move(facts_), identity.protocol);
  } catch (...) {
    peer_.close();
    throw;
  }
}

SPATE_DECL void Handshake::refuse_plain_text() {
  const Ref<Handshake> alive(this);
  server_->handshake_failures.fetch_add(1, std::memory_order_relaxed);
  shard_->set_timer(*this, never);
  shard_->secure()->release(socket_);
  peer_ = shard_->peer(socket_);
  refuse_connection(*shard_, *server_, facts_, peer_,
                    Response::error(400, "this port speaks TLS only: ask for https://"));
}

SPATE_DECL void Handshake::fail() {
  server_->handshake_failures.fetch_add(1, std::memory_order_relaxed);
  close();
}

SPATE_DECL void Handshake::close() {
  const Ref<Handshake> alive(this);
  shard_->set_timer(*this, never);
  peer_.close();
}

}  // namespace spate::detail
