// The functions of tls_context.hpp.
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/tls/detail/certificates.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/detail/tls_core.hpp>
#include <spate/tls/detail/tls_transport.hpp>
#include <spate/tls/tls_context.hpp>

namespace spate {

SPATE_DECL TlsContext::TlsContext(TlsOptions options) : core_(std::make_shared<detail::TlsCore>(std::move(options))) {}
SPATE_DECL TlsContext::~TlsContext() = default;

SPATE_DECL std::shared_ptr<TlsContext> TlsContext::self_signed() {
  TlsOptions options;
  TlsCertificate made = detail::make_self_signed();
  options.certificate = std::move(made.certificate);
  options.key = std::move(made.key);
  return std::make_shared<TlsContext>(std::move(options));
}

SPATE_DECL void TlsContext::reload() {
  core_->reload();
}
SPATE_DECL void TlsContext::reload(TlsOptions options) {
  core_->reload(std::move(options));
}

SPATE_DECL std::string TlsContext::certificate() const {
  return core_->config()->certificate();
}

SPATE_DECL std::unique_ptr<detail::SecureTransport> TlsContext::transport_on(
    detail::Loop& loop, detail::ByteTransport& sockets, const std::vector<std::string>& protocols) {
  return std::make_unique<detail::TlsTransport>(loop, sockets, core_, protocols);
}

}  // namespace spate
