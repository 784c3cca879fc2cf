// All functions of TLS: for the one source that compiles them, with SPATE_SEPARATE_COMPILATION.
#pragma once

#if !defined(SPATE_SEPARATE_COMPILATION)
#error "<spate/tls/tls_src.hpp> belongs into one source of a program that is compiled with SPATE_SEPARATE_COMPILATION"
#endif

#include <spate/tls/impl/certificates.ipp>
#include <spate/tls/impl/openssl.ipp>
#include <spate/tls/impl/ticket_keys.ipp>
#include <spate/tls/impl/tls_config.ipp>
#include <spate/tls/impl/tls_connection.ipp>
#include <spate/tls/impl/tls_context.ipp>
#include <spate/tls/impl/tls_core.ipp>
#include <spate/tls/impl/tls_session.ipp>
#include <spate/tls/impl/tls_transport.ipp>
