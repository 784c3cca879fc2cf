// The functions of listener.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/listener.hpp>

namespace spate::detail {

SPATE_DECL std::optional<ConnectionLimits::Entry> let_in(ServerCore& server, OwnedSocket& accepted,
                                                         const SocketProtocol::endpoint& remote) {
  ConnectionLimits::Entry entry = server.limits->enter(ip_address_of(remote));
  if (entry.verdict != ConnectionLimits::Verdict::serve) server.rejected.fetch_add(1, std::memory_order_relaxed);
  if (entry.verdict != ConnectionLimits::Verdict::turn_away) return entry;
  accepted.abort();
  return std::nullopt;
}

SPATE_DECL Listener::Listener(SocketAcceptor acceptor, SocketFile file, Ref<ServerCore> server,
                              std::vector<Ref<Shard>> shards)
    : acceptor_(std::move(acceptor)),
      acceptable_(acceptor_),
      file_(std::move(file)),
      timer_(acceptor_.get_executor()),
      server_(std::move(server)),
      hosts_(server_->hosts_of(ip_address_of(acceptor_.local_endpoint()))),
      shards_(std::move(shards)) {
  acceptor_.non_blocking(true);
  std::error_code ignored;                                       // of a kind of socket that has no such option
  acceptor_.set_option(asio::ip::tcp::no_delay(true), ignored);  // inherited by what it accepts, where it is
  Poller::limit_silence(acceptor_, server_->options.stream.write_timeout);
}

SPATE_DECL void Listener::stop() {
  std::error_code ignored;  // closing is all that can be done
  acceptable_.cancel();
  acceptor_.close(ignored);
  file_.remove();
  timer_.cancel();
}

SPATE_DECL void Listener::wait() {
  const WaitHandler ready = [self = Ref<Listener>(this)](const std::error_code& error) {
    if (!error) self->accept();
  };
  acceptable_.async_wait(acceptor_, ready);
}

SPATE_DECL void Listener::accept() {
  for (int i = 0; i < batch && acceptor_.is_open(); ++i) {
    SocketProtocol::endpoint remote;
    std::error_code error;
    OwnedSocket accepted = Poller::accept(acceptor_, remote, error);
    if (error == asio::error::would_block) break;
    if (error == std::errc::connection_aborted) continue;  // its client has gone already
    if (error) {
      // Descriptors or memory are exhausted: those that are open go on, new ones wait in the kernel's queue.
      server_->accept_errors.fetch_add(1, std::memory_order_relaxed);
      return insist([&] { wait_a_while(); });
    }
    deal_out(std::move(accepted), remote);
  }
  if (acceptor_.is_open()) insist([&] { wait(); });
}

SPATE_DECL void Listener::wait_a_while() {
  timer_.expires_after(pause);
  timer_.async_wait(WaitHandler([self = Ref<Listener>(this)](const std::error_code& cancelled) {
    if (!cancelled) self->accept();
  }));
}

SPATE_DECL void Listener::deal_out(OwnedSocket accepted, const SocketProtocol::endpoint& remote) {
  const Ref<Shard>& shard = shards_[next_];
  next_ = (next_ + 1) % shards_.size();
  try {
    auto entry = let_in(*server_, accepted, remote);
    if (!entry) return;
    shard->run([shard, server = server_, &hosts = hosts_, accepted = std::move(accepted),
                entry = std::move(*entry)]() mutable {
      begin_connection(shard, server, std::move(accepted), hosts, std::move(entry));
    });
  } catch (const std::bad_alloc&) {
    server_->accept_errors.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace spate::detail
