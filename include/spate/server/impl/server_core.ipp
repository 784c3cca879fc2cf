// The functions of server_core.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/server_core.hpp>

namespace spate::detail {

SPATE_DECL ServerCore::ServerCore(ServerOptions chosen)
    : options(std::move(chosen)),
      cors(options.cors),
      limits(make_ref<ConnectionLimits>(options.max_connections, options.max_connections_per_address)),
      stream_settings(make_ref<StreamSettings>(options.stream, options.on_exception)),
      access(options.access_log
                 ? std::make_shared<const AccessHook>(AccessHook{options.access_log, options.on_exception})
                 : nullptr),
      hosts_on_loopback_(HostCheck::loopback, options.allow_hosts),
      hosts_beyond_(options.allow_hosts.empty() ? HostCheck::none : HostCheck::listed, options.allow_hosts) {
  require_not_negative("spate::ServerOptions::request_timeout", options.request_timeout);
  require_not_negative("spate::ServerOptions::idle_timeout", options.idle_timeout);
}

SPATE_DECL const HostPolicy& ServerCore::hosts_of(const std::optional<asio::ip::address>& local) const noexcept {
  const bool on_loopback = local ? spate::is_loopback(*local) : !options.allow_hosts.empty();
  return on_loopback ? hosts_on_loopback_ : hosts_beyond_;
}

}  // namespace spate::detail
