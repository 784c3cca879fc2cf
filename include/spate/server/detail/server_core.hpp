// ServerCore: what the sessions of one server share.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <asio/ip/address.hpp>

#include <spate/config.hpp>
#include <spate/http/host_policy.hpp>
#include <spate/server/detail/connection_limits.hpp>
#include <spate/server/detail/router.hpp>
#include <spate/server/listen_address.hpp>
#include <spate/stream/detail/access_entry.hpp>
#include <spate/stream/detail/stream_core.hpp>

namespace spate::detail {

class ServerCore final : public RefCounted<ServerCore> {
 public:
  explicit ServerCore(ServerOptions chosen);

  const ServerOptions options;
  const CorsPolicy cors;
  const Ref<ConnectionLimits> limits;
  const Ref<StreamSettings> stream_settings;
  const std::shared_ptr<const AccessHook> access;  // null without an access log
  Router router;                                   // changed only before the server starts

  std::atomic<std::uint64_t> connections{0};
  std::atomic<std::uint64_t> requests{0};
  std::atomic<std::uint64_t> rejected{0};
  std::atomic<std::uint64_t> accept_errors{0};
  std::atomic<std::size_t> handshakes{0};  // under way
  std::atomic<std::uint64_t> handshake_failures{0};
  std::atomic<std::size_t> http2_connections{0};            // open now
  std::atomic<std::size_t> encrypted_http2_connections{0};  // among them
  std::atomic<bool> draining{false};

  /// Which hosts may be asked for on what is bound to `local`: a listening socket, or a connection where that is not
  /// known. What has no address is a Unix socket. No page can reach it, so that every host passes unless some are
  /// listed; and if some are, what is on this machine may still name it as it does on loopback.
  const HostPolicy& hosts_of(const std::optional<asio::ip::address>& local) const noexcept;

  void report(std::exception_ptr exception) const { detail::report(options.on_exception, std::move(exception)); }

 private:
  const HostPolicy hosts_on_loopback_;
  const HostPolicy hosts_beyond_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/server_core.ipp>
#endif
