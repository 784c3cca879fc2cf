// ServerCore: what the sessions of one server share.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include <asio/ip/address.hpp>

#include <spate/http/host_policy.hpp>
#include <spate/server/detail/router.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

class ServerCore final : public RefCounted<ServerCore> {
 public:
  explicit ServerCore(ServerOptions chosen)
      : options(std::move(chosen)),
        cors(options.cors),
        hosts_on_loopback_(HostCheck::loopback, options.allow_hosts),
        hosts_beyond_(options.allow_hosts.empty() ? HostCheck::none : HostCheck::listed, options.allow_hosts),
        stream_settings(make_ref<StreamSettings>(options.stream)) {}

  const ServerOptions options;
  const CorsPolicy cors;
  const Ref<StreamSettings> stream_settings;
  Router router;  // changed only before the server starts

  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> rejected{0};
  std::atomic<std::uint64_t> accept_errors{0};
  std::atomic<bool> draining{false};

  /// Which hosts may be asked for on what is bound to `local`: a listening socket, or a connection where that is not
  /// known.
  const HostPolicy& hosts_of(const asio::ip::address& local) const noexcept {
    return spate::is_loopback(local) ? hosts_on_loopback_ : hosts_beyond_;
  }

  void report(std::exception_ptr exception) const { detail::report(options.on_exception, std::move(exception)); }

  /// Held by a socket as long as it is open, where connections are limited.
  class Ticket final : public Resident {
   public:
    Ticket(Ref<ServerCore> server, asio::ip::address address)
        : server_(std::move(server)), address_(std::move(address)) {}
    ~Ticket() override { server_->leave(address_); }

   private:
    Ref<ServerCore> server_;
    asio::ip::address address_;
  };

  bool limits_connections() const noexcept {
    return options.max_connections > 0 || options.max_connections_per_address > 0;
  }

  /// Any thread. A ticket for one more connection from `address`, or null when there are too many.
  Ref<Resident> admit(const asio::ip::address& address) {
    const std::lock_guard lock(mutex_);
    std::size_t& here = by_address_[address];
    const bool full = (options.max_connections > 0 && open_ >= options.max_connections) ||
                      (options.max_connections_per_address > 0 && here >= options.max_connections_per_address);
    if (full) {
      if (here == 0) by_address_.erase(address);
      return nullptr;
    }
    ++here;
    ++open_;
    return make_ref<Ticket>(Ref<ServerCore>(this), address);
  }

 private:
  void leave(const asio::ip::address& address) {
    const std::lock_guard lock(mutex_);
    --open_;
    const auto found = by_address_.find(address);
    if (--found->second == 0) by_address_.erase(found);
  }

  const HostPolicy hosts_on_loopback_;
  const HostPolicy hosts_beyond_;
  std::mutex mutex_;
  std::size_t open_ = 0;
  std::map<asio::ip::address, std::size_t> by_address_;
};

}  // namespace spate::detail
