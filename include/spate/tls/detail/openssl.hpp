// What every use of OpenSSL here needs: owners of its objects, and its reasons in words.
//
// What goes wrong in OpenSSL is left in a queue of the thread. A call whose result says too little by itself begins
// with an empty queue (`ERR_clear_error`), and whoever finds an error there takes it away: neither another connection's
// fault nor one of the program's is ever taken for one's own.
#pragma once

#include <memory>
#include <new>
#include <string>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <spate/config.hpp>

namespace spate::detail {

struct OpensslFree {
  void operator()(BIO* object) const noexcept { BIO_free(object); }
  void operator()(BIO_METHOD* object) const noexcept { BIO_meth_free(object); }
  void operator()(EVP_CIPHER* object) const noexcept { EVP_CIPHER_free(object); }
  void operator()(EVP_PKEY* object) const noexcept { EVP_PKEY_free(object); }
  void operator()(SSL* object) const noexcept { SSL_free(object); }
  void operator()(SSL_CTX* object) const noexcept { SSL_CTX_free(object); }
  void operator()(X509* object) const noexcept { X509_free(object); }
  void operator()(STACK_OF(X509) * object) const noexcept { sk_X509_pop_free(object, X509_free); }
  void operator()(GENERAL_NAMES* object) const noexcept { GENERAL_NAMES_free(object); }
};
template <typename T>
using OpensslOwned = std::unique_ptr<T, OpensslFree>;

/// What was made, which is null only where memory was lacking.
template <typename T>
OpensslOwned<T> made(T* object) {
  if (object != nullptr) return OpensslOwned<T>(object);
  ERR_clear_error();
  throw std::bad_alloc();
}

/// Why the last call failed, as OpenSSL says it. Empties the queue.
SPATE_DECL std::string take_openssl_reason();

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/openssl.ipp>
#endif
