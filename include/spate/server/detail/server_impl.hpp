// ServerImpl: what is behind a Server: its loops, its listeners and its drain.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
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
  const asio::ip::tcp::endpoint& endpoint() const noexcept { return endpoint_; }
  std::string listens_on() const;
  asio::any_io_executor executor() const { return shards_.front()->executor(); }

  template <typename Acceptor>
  void adopt_acceptor(Acceptor acceptor);
  template <typename Socket>
  void adopt_object(Socket socket, DoneBefore before);
  void adopt_native(OwnedSocket::Native socket, DoneBefore before);

  void shutdown(std::chrono::milliseconds deadline, std::function<void(std::size_t cut)> done);
  void stop();
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

  void require_not_serving(const std::string& what) const;
  void listen_by_tcp(SocketAcceptor& acceptor);
  void listen(SocketAcceptor acceptor, SocketFile file);
  void take_over(OwnedSocket owned, DoneBefore before);
  OpenConnections open_connections() const;
  void start_threads() SPATE_REQUIRES(mutex_);
  const Ref<Shard>& next_shard();

  Ref<ServerCore> core_;
  std::vector<std::unique_ptr<OwnLoop>> loops_;
  std::vector<Ref<Shard>> shards_;
  Mutex mutex_;
  std::vector<Ref<Listener>> listeners_ SPATE_GUARDED_BY(mutex_);
  std::shared_ptr<Drain> drain_ SPATE_GUARDED_BY(mutex_);
  bool stopped_ SPATE_GUARDED_BY(mutex_) = false;
  bool started_ SPATE_GUARDED_BY(mutex_) = false;  // `start` has succeeded
  std::atomic<bool> serving_{false};
  bool listens_ = true;
  std::atomic<std::size_t> next_{0};
  asio::ip::tcp::endpoint endpoint_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/server_impl.ipp>
#endif
