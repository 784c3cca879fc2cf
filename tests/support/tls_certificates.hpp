// Certificates for tests, made as they are needed.
//
//   TlsAuthority authority;
//   const TlsIdentity server = authority.issue({"example.com", "*.example.org"});
#pragma once

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace spate::test {

/// In PEM.
struct TlsIdentity {
  std::string certificate;
  std::string key;
};

class TlsAuthority {
 public:
  explicit TlsAuthority(const std::string& name = "test authority")
      : key_(make_key()), certificate_(X509_new(), X509_free) {
    describe(*certificate_, *key_, {{"CN", name}}, 3600);
    require(X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get())) == 1);
    extend(NID_basic_constraints, "critical,CA:TRUE", *certificate_);
    extend(NID_subject_key_identifier, "hash", *certificate_);
    require(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
  }

  /// The authority's own certificate.
  std::string certificate() const { return text_of(*certificate_); }

  /// For a server of these names.
  TlsIdentity issue(std::initializer_list<std::string_view> names) const {
    std::string all;
    for (const std::string_view name : names) all.append(all.empty() ? "DNS:" : ",DNS:").append(name);
    return sign({{"CN", "a server"}}, 3600, all);
  }

  struct Part {
    const char* field;
    std::string value;
  };
  /// For a client; `seconds` from now on, which have passed when they are negative.
  TlsIdentity issue_client(std::initializer_list<Part> subject, long seconds = 3600) const {
    return sign(subject, seconds, {});
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
  using Certificate = std::unique_ptr<X509, void (*)(X509*)>;
  using Memory = std::unique_ptr<BIO, int (*)(BIO*)>;

  static void require(bool good) {
    if (!good) throw std::runtime_error("OpenSSL makes no certificate");
  }
  static Key make_key() {
    Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
    require(key != nullptr);
    return key;
  }

  static void describe(X509& certificate, EVP_PKEY& key, std::initializer_list<Part> subject, long seconds) {
    X509_set_version(&certificate, X509_VERSION_3);
    unsigned char serial[8];
    RAND_bytes(serial, sizeof serial);
    std::uint64_t number = 0;
    for (const unsigned char byte : serial) number = number << 7 | byte >> 1;
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(&certificate), number);
    X509_gmtime_adj(X509_getm_notBefore(&certificate), -7200);
    X509_gmtime_adj(X509_getm_notAfter(&certificate), seconds);
    for (const Part& part : subject) {
      require(X509_NAME_add_entry_by_txt(X509_get_subject_name(&certificate), part.field, MBSTRING_UTF8,
                                         reinterpret_cast<const unsigned char*>(part.value.c_str()), -1, -1, 0) == 1);
    }
    require(X509_set_pubkey(&certificate, &key) == 1);
  }

  static void extend(int nid, const char* value, X509& certificate) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, &certificate, &certificate, nullptr, nullptr, 0);
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    require(extension != nullptr);
    X509_add_ext(&certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  TlsIdentity sign(std::initializer_list<Part> subject, long seconds, const std::string& names) const {
    const Key key = make_key();
    const Certificate certificate(X509_new(), X509_free);
    describe(*certificate, *key, subject, seconds);
    require(X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get())) == 1);
    if (!names.empty()) extend(NID_subject_alt_name, names.c_str(), *certificate);
    require(X509_sign(certificate.get(), key_.get(), EVP_sha256()) > 0);
    const Memory text(BIO_new(BIO_s_mem()), BIO_free);
    require(PEM_write_bio_PrivateKey(text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
    return {text_of(*certificate), all_of(*text)};
  }

  static std::string text_of(X509& certificate) {
    const Memory text(BIO_new(BIO_s_mem()), BIO_free);
    require(PEM_write_bio_X509(text.get(), &certificate) == 1);
    return all_of(*text);
  }
  static std::string all_of(BIO& memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(&memory, &data);
    return {data, static_cast<std::size_t>(size)};
  }

  Key key_;
  Certificate certificate_;
};

}  // namespace spate::test
