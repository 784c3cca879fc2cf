// Bench: what a server in memory runs on: a loop that turns in the calls of a test, a clock that stands, a transport
// without sockets, and the clients at its other end.
//
// One thread. A call of the test that lets something happen is a Run: one at a time, and none inside another.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <asio/io_context.hpp>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/server/detail/server_impl.hpp>
#include <spate/testing/detail/client_core.hpp>
#include <spate/testing/detail/held_clock.hpp>
#include <spate/testing/detail/memory_transport.hpp>
#include <spate/testing/run_limits.hpp>

namespace spate::detail {

/// What was thrown, by whichever thread. Coroutines hold it, too, and may outlive the rest.
class ThrownErrors {
 public:
  void add(std::exception_ptr thrown);
  /// From now on they are known.
  std::vector<std::exception_ptr> all();
  /// Says on standard error what is not.
  void say_unknown();

 private:
  Mutex mutex_;
  std::vector<std::exception_ptr> thrown_ SPATE_GUARDED_BY(mutex_);
  std::size_t known_ SPATE_GUARDED_BY(mutex_) = 0;
};

class Bench final : public ClientHost {
 public:
  Bench() = default;
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  /// The server that runs on this, and lives shorter.
  std::unique_ptr<ServerImpl> make_server(ServerOptions options);

  /// Everything that is open is cut, and clients have no server any more.
  void close();

  // ---- calls of the test ----

  /// One call, `what` of them. Throws std::logic_error inside another.
  class Run {
   public:
    Run(Bench& bench, std::string_view what);
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;
    ~Run();

   private:
    Bench& bench_;
  };

  SPATE_DECL void settle_unless_running() override;
  SPATE_DECL void act(std::string_view what, std::function<void()> step) override;
  /// Lets everything happen that is due, inside a Run. Throws std::runtime_error when it has no end.
  void settle();
  void advance(std::chrono::nanoseconds time);
  bool run_until(const std::function<bool()>& condition, std::chrono::milliseconds most);

  SPATE_DECL void in_turn(std::function<void()> step) override;

  // ---- for clients ----

  SPATE_DECL std::optional<int> connect(const Ref<ServerCore>& server, const std::string& address,
                                        const std::shared_ptr<const std::string>& subject, ClientCore& client) override;
  SPATE_DECL void release(int connection) override;
  SPATE_DECL void remove(const ClientCore& client) override;
  MemoryTransport::Client& end_of(int connection) override {
    return transport_.client(static_cast<std::size_t>(connection));
  }
  Shard& loop() override { return *shard(); }

  void add(const Ref<ClientCore>& client) { clients_.push_back(client); }

  /// A server of the same options, all of whose requests `handler` has, with what a route and its hook would have said
  /// of them, as `request` has it.
  Ref<ServerCore> server_for(const Request& request, Handler handler);

  const Ref<ServerCore>& core() const noexcept { return server_->core(); }
  const Ref<Shard>& shard() const noexcept { return server_->shard(); }
  ServerImpl& server() noexcept { return *server_; }
  HeldClock& clock() noexcept { return *clock_; }
  ThrownErrors& thrown() noexcept { return *thrown_; }
  testing::RunLimits limits;

 private:
  // What can be run now; what it throws is kept.
  void run_ready();
  // Lets clients read what is there for them; returns whether there was something.
  bool let_clients_read();
  void count_step();
  void begin_count();

  const std::shared_ptr<ThrownErrors> thrown_ = std::make_shared<ThrownErrors>();
  const std::shared_ptr<HeldClock> clock_ = std::make_shared<HeldClock>(std::chrono::system_clock::now());
  MemoryTransport transport_;
  asio::io_context io_{1};
  ServerImpl* server_ = nullptr;  // null before it is made
  std::vector<Ref<ClientCore>> clients_;
  std::unordered_map<int, ClientCore*> owners_;  // of connections
  std::vector<int> left_;                        // connections that their clients have closed, and the server has not
  std::atomic<std::thread::id> runner_{};        // none while nobody runs it
  std::size_t steps_ = 0;
  std::size_t bytes_before_ = 0;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/testing/impl/bench.ipp>
#endif
