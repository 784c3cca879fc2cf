// Listener: accepts connections and deals them out to the shards.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include <spate/config.hpp>
#include <spate/loop/detail/accept_wait.hpp>
#include <spate/server/detail/begin_connection.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/server/detail/unix_listener.hpp>

namespace spate::detail {

/// The permit of a connection from `remote` that was accepted; nothing when there is none for it. Then it is closed, at
/// once: whoever opens connections faster than they can be refused in words is not owed a word. Any thread.
SPATE_DECL std::optional<ConnectionLimits::Entry> let_in(ServerCore& server, OwnedSocket& accepted,
                                                         const SocketProtocol::endpoint& remote);

class Listener final : public RefCounted<Listener> {
 public:
  /// `file` is that of a Unix socket, and goes with the listener.
  Listener(SocketAcceptor acceptor, SocketFile file, Ref<ServerCore> server, std::vector<Ref<Shard>> shards);

  /// On the first shard's executor, which is the acceptor's, like everything that follows.
  void start() { wait(); }

  void stop();

 private:
  // Accepted in one go, so that a rush of clients does not wait for as many turns of the loop.
  static constexpr int batch = 64;
  static constexpr std::chrono::milliseconds pause{100};

  void wait();

  void accept();

  void wait_a_while();

  void deal_out(OwnedSocket accepted, const SocketProtocol::endpoint& remote);

  SocketAcceptor acceptor_;
  AcceptWait acceptable_;
  SocketFile file_;
  asio::steady_timer timer_;
  const Ref<ServerCore> server_;
  const HostPolicy& hosts_;  // the server's, for what is bound as this is
  const std::vector<Ref<Shard>> shards_;
  std::size_t next_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/listener.ipp>
#endif
