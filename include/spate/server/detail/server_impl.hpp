// ServerImpl: what is behind a Server: its loops, its listeners and its drain.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/server/detail/begin_connection.hpp>
#include <spate/server/detail/listener.hpp>
#include <spate/server/detail/server_core.hpp>
#include <spate/server/detail/signal_wait.hpp>
#include <spate/server/inherited_sockets.hpp>
#include <spate/server/server_options.hpp>
#include <spate/server/server_stats.hpp>

namespace spate::detail {

/// What its members do is said at those of Server.
class ServerImpl {
 public:
  ServerImpl(const asio::any_io_executor& executor, ServerOptions options);
  ServerImpl(const ServerImpl&) = delete;
  ServerImpl& operator=(const ServerImpl&) = delete;

  void add_route(std::vector<std::string> methods, std::string_view pattern, Handler handler, RouteOptions options);
  void set_fallback(Handler handler, RouteOptions options);

  void start();
  std::size_t adopt_inherited();
  asio::ip::tcp::endpoint endpoint() const;
  std::string listens_on() const;
  asio::any_io_executor executor() const { return shards_.front()->executor(); }

  template <typename Acceptor>
  void adopt_acceptor(Acceptor acceptor);
  template <typename Socket>
  void adopt_object(Socket socket, DoneBefore before);
  void adopt_native(OwnedSocket::Native socket, DoneBefore before);

  void shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done);
  void shutdown_on_signals(SignalOptions options);
  void stop();
  bool is_draining() const noexcept { return core_->draining.load(); }
  ServerStats stats() const;

  // ---- for a server without sockets ----

  /// From now on it listens nowhere: `start` only ends the time in which routes are added.
  void listen_nowhere() noexcept { listens_ = false; }
  /// That time ends here, too.
  void serve() noexcept { serving_.store(true, std::memory_order_relaxed); }
  const Ref<ServerCore>& core() const noexcept { return core_; }
  /// The first of its loops; without threads of its own the only one.
  const Ref<Shard>& shard() const noexcept { return shards_.front(); }

 private:
  /// One loop on a thread of the server's own.
  struct OwnLoop {
    asio::io_context context{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
    std::thread thread;
  };

  /// The end of a drain: when every shard is idle or the deadline has come.
  struct Drain;
  /// Whom a drain tells. Null: nobody. Shared, so that no copy of the program's function is made or destroyed with a
  /// lock held.
  using Drained = std::shared_ptr<const std::function<void(std::size_t cut)>>;
  static Drained share(std::function<void(std::size_t cut)> done);
  void begin_drain(std::chrono::milliseconds deadline, Drained done);

  void require_not_serving(const std::string& what) const;
  enum class Beginning : std::uint8_t { none, start, inherited };
  // One of several that begin at once, unless it has begun or stopped before; what fails is given up.
  void begin(Beginning how);
  void give_up() noexcept;
  void listen_where_told();
  void listen_by_tcp(SocketAcceptor& acceptor);
  std::vector<SocketAcceptor> acceptors_on(const std::vector<InheritedSocket>& sockets);
  Ref<Listener> listener_of(SocketAcceptor acceptor, SocketFile file);
  void listen(std::vector<Ref<Listener>> listeners);
  void take_over(OwnedSocket owned, DoneBefore before);
  OpenConnections open_connections() const;
  void start_threads() SPATE_REQUIRES(mutex_);
  void cut_drain();
  const Ref<Shard>& next_shard();

  Ref<ServerCore> core_;
  std::vector<std::unique_ptr<OwnLoop>> loops_;
  std::vector<Ref<Shard>> shards_;
  const Ref<SignalWait> signals_ = make_ref<SignalWait>();
  mutable Mutex mutex_;
  std::vector<Ref<Listener>> listeners_ SPATE_GUARDED_BY(mutex_);
  std::shared_ptr<Drain> drain_ SPATE_GUARDED_BY(mutex_);
  bool stopped_ SPATE_GUARDED_BY(mutex_) = false;
  Beginning begun_ SPATE_GUARDED_BY(mutex_) = Beginning::none;  // by what it listens, or is about to
  asio::ip::tcp::endpoint endpoint_ SPATE_GUARDED_BY(mutex_);
  std::string unix_address_ SPATE_GUARDED_BY(mutex_);  // of the socket that it was passed, if that is one
  std::atomic<bool> serving_{false};
  bool listens_ = true;
  std::atomic<std::size_t> next_{0};
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/server_impl.ipp>
#endif
