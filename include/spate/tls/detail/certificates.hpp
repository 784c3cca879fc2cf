// Certificates and keys out of PEM. What is wrong with one is told with the name of its file and what to do.
#pragma once

#include <string>
#include <vector>

#include <spate/config.hpp>
#include <spate/tls/detail/openssl.hpp>
#include <spate/tls/tls_options.hpp>

namespace spate::detail {

/// A text of PEM, and what it is called in an error.
struct PemText {
  std::string text;
  std::string called;  // "the certificate chain.pem"
};

/// `text`, or what is in `file` when that is empty. Throws std::system_error that names the file when it cannot be
/// read, std::invalid_argument when neither is given.
SPATE_DECL PemText pem_of(const std::string& what, const std::string& file, const std::string& text);

/// All certificates of `pem`: one at least. Throws std::invalid_argument.
SPATE_DECL std::vector<OpensslOwned<X509>> read_certificates(const PemText& pem);

/// Throws std::invalid_argument.
SPATE_DECL OpensslOwned<EVP_PKEY> read_key(const PemText& pem);

/// The names of servers that `certificate` certifies, in lower case; "*.example.com" among them. (RFC 6125 6.4)
SPATE_DECL std::vector<std::string> names_of(X509& certificate);

/// The subject as text. (RFC 2253)
SPATE_DECL std::string subject_of(X509& certificate);

/// In PEM.
SPATE_DECL std::string text_of(X509& certificate);

/// One that signs itself, for localhost and loopback addresses, and its key, both as text.
SPATE_DECL TlsCertificate make_self_signed();

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/certificates.ipp>
#endif
