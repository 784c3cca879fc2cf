// The functions of certificates.hpp.
#pragma once

#include <cerrno>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <system_error>

#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

#include <spate/config.hpp>
#include <spate/http/detail/tokens.hpp>
#include <spate/tls/detail/certificates.hpp>
#include <spate/wire/detail/quote.hpp>

namespace spate::detail {

[[noreturn]] SPATE_DECL void refuse_pem(const PemText& pem, const std::string& why) {
  throw std::invalid_argument("spate::TlsContext: " + pem.called + " " + why + " (" + take_openssl_reason() + ")");
}

SPATE_DECL OpensslOwned<BIO> reading(const std::string& text) {
  return made(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

SPATE_DECL std::string all_of_memory(BIO& memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&memory, &data);
  return {data, static_cast<std::size_t>(size)};
}

SPATE_DECL PemText pem_of(const std::string& what, const std::string& file, const std::string& text) {
  if (!text.empty()) return {text, "the text of " + what};
  if (file.empty())
    throw std::invalid_argument("spate::TlsContext: " + what + " is missing: give its file or its text");
  PemText pem{{}, what + " " + quote(file)};
  const auto fail = [&] {
    throw std::system_error(errno, std::system_category(), "spate::TlsContext: cannot read " + pem.called);
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(std::fopen(file.c_str(), "rbe"), std::fclose);
  if (!opened) fail();
  char bytes[4096];
  while (const std::size_t size = std::fread(bytes, 1, sizeof bytes, opened.get())) pem.text.append(bytes, size);
  if (std::ferror(opened.get()) != 0) fail();
  return pem;
}

SPATE_DECL std::vector<OpensslOwned<X509>> read_certificates(const PemText& pem) {
  const auto input = reading(pem.text);
  std::vector<OpensslOwned<X509>> all;
  ERR_clear_error();
  while (X509* const next = PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr)) {
    OpensslOwned<X509> owned(next);
    all.push_back(std::move(owned));
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (all.empty() || !at_end) {
    refuse_pem(pem, all.empty() ? "is no certificate in PEM: it should begin with -----BEGIN CERTIFICATE-----"
                                : "has a certificate that is broken");
  }
  ERR_clear_error();
  return all;
}

SPATE_DECL OpensslOwned<EVP_PKEY> read_key(const PemText& pem) {
  const auto input = reading(pem.text);
  bool asked = false;
  // Nobody is asked at the terminal.
  const auto password = [](char*, int, int, void* was_asked) -> int {
    *static_cast<bool*>(was_asked) = true;
    return -1;
  };
  ERR_clear_error();
  OpensslOwned<EVP_PKEY> key(PEM_read_bio_PrivateKey(input.get(), nullptr, password, &asked));
  if (key) return key;
  refuse_pem(pem, asked ? "is encrypted: decrypt it first, with openssl pkey -in KEY -out PLAIN_KEY"
                        : "is no private key in PEM: it should begin with -----BEGIN PRIVATE KEY-----");
}

SPATE_DECL std::vector<std::string> names_of(X509& certificate) {
  std::vector<std::string> names;
  const OpensslOwned<GENERAL_NAMES> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const each = sk_GENERAL_NAME_value(all.get(), i);
    if (each->type != GEN_DNS) continue;
    const auto* const bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(each->d.dNSName));
    names.emplace_back(bytes, static_cast<std::size_t>(ASN1_STRING_length(each->d.dNSName)));
    for (char& c : names.back()) c = ascii_lower(c);
  }
  return names;
}

SPATE_DECL std::string subject_of(X509& certificate) {
  const auto output = made(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(output.get(), X509_get_subject_name(&certificate), 0, XN_FLAG_RFC2253);
  return all_of_memory(*output);
}

SPATE_DECL std::string text_of(X509& certificate) {
  const auto output = made(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(output.get(), &certificate);
  return all_of_memory(*output);
}

SPATE_DECL TlsCertificate make_self_signed() {
  constexpr long day = 24L * 3600;
  const auto key = made(EVP_EC_gen("P-256"));
  const auto certificate = made(X509_new());
  X509* const x509 = certificate.get();
  bool good = X509_set_version(x509, X509_VERSION_3) == 1;
  // Positive, and no other has it: a browser refuses two of one issuer with the same number.
  unsigned char serial[16];
  good = good && RAND_bytes(serial, sizeof serial) == 1;
  serial[0] &= 0x7F;
  const std::unique_ptr<BIGNUM, void (*)(BIGNUM*)> number(BN_bin2bn(serial, sizeof serial, nullptr), BN_free);
  good = good && number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x509)) != nullptr;
  // From yesterday, for clients whose clock is behind.
  good = good && X509_gmtime_adj(X509_getm_notBefore(x509), -day) != nullptr;
  good = good && X509_gmtime_adj(X509_getm_notAfter(x509), 60 * day) != nullptr;
  X509_NAME* const name = X509_get_subject_name(x509);
  const auto* const localhost = reinterpret_cast<const unsigned char*>("localhost");
  good = good && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, localhost, -1, -1, 0) == 1;
  good = good && X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key.get()) == 1;
  X509V3_CTX context;
  X509V3_set_ctx(&context, x509, x509, nullptr, nullptr, 0);
  const auto add = [&](int nid, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    good = good && extension != nullptr && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
  };
  add(NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1");
  add(NID_basic_constraints, "critical,CA:FALSE");
  add(NID_key_usage, "critical,digitalSignature");
  add(NID_ext_key_usage, "serverAuth");
  good = good && X509_sign(x509, key.get(), EVP_sha256()) > 0;
  const auto key_text = made(BIO_new(BIO_s_mem()));
  good = good && PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1;
  if (!good) throw std::runtime_error("spate::TlsContext: cannot make a certificate: " + take_openssl_reason());
  return {{}, {}, text_of(*x509), all_of_memory(*key_text)};
}

}  // namespace spate::detail
