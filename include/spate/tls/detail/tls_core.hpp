// TlsCore: what is behind a TlsContext, shared with the transports of all loops. Threads: any.
#pragma once

#include <memory>
#include <string>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/tls/detail/ticket_keys.hpp>
#include <spate/tls/tls_options.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

class TlsConfig;

class TlsCore {
 public:
  explicit TlsCore(TlsOptions options);
  TlsCore(const TlsCore&) = delete;
  TlsCore& operator=(const TlsCore&) = delete;
  ~TlsCore();

  /// Throws what reading throws; then nothing has changed.
  void reload() { reload(options()); }
  void reload(TlsOptions options);

  /// What connections begin with now.
  Ref<TlsConfig> config() const;

 private:
  TlsOptions options() const;

  const std::shared_ptr<TicketKeys> tickets_;
  mutable Mutex mutex_;
  TlsOptions options_ SPATE_GUARDED_BY(mutex_);
  Ref<TlsConfig> config_ SPATE_GUARDED_BY(mutex_);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/tls_core.ipp>
#endif
