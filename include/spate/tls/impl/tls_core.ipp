// The functions of tls_core.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/detail/tls_core.hpp>
#include <spate/wire/detail/require.hpp>

namespace spate::detail {

SPATE_DECL std::shared_ptr<TicketKeys> tickets_of(const TlsOptions& options) {
  require_not_negative("spate::TlsOptions::ticket_lifetime", options.ticket_lifetime);
  if (options.ticket_lifetime.count() == 0) return nullptr;
  return std::make_shared<TicketKeys>(options.ticket_lifetime);
}

SPATE_DECL TlsCore::TlsCore(TlsOptions options) : tickets_(tickets_of(options)) {
  reload(std::move(options));
}

SPATE_DECL TlsCore::~TlsCore() = default;

SPATE_DECL void TlsCore::reload(TlsOptions options) {
  auto config = make_ref<TlsConfig>(options, tickets_);  // reads files, so not under the lock
  const Lock lock(mutex_);
  options_ = std::move(options);
  std::swap(config_, config);
}

SPATE_DECL Ref<TlsConfig> TlsCore::config() const {
  const Lock lock(mutex_);
  return config_;
}

SPATE_DECL TlsOptions TlsCore::options() const {
  const Lock lock(mutex_);
  return options_;
}

}  // namespace spate::detail
