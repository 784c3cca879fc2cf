// Certificates and keys: what is read, and what is said of those that cannot be.
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <spate/tls/detail/certificates.hpp>
#include <spate/tls/detail/ticket_keys.hpp>
#include <spate/tls/detail/tls_config.hpp>
#include <spate/tls/tls_context.hpp>
#include <spate/wire/text.hpp>
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "support/tls_certificates.hpp"

using namespace spate;
using namespace spate::test;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

const TlsAuthority& authority() {
  static const TlsAuthority one;
  return one;
}

std::string encrypted(const std::string& key) {
  BIO* const in = BIO_new_mem_buf(key.data(), static_cast<int>(key.size()));
  EVP_PKEY* const read = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  BIO* const out = BIO_new(BIO_s_mem());
  unsigned char password[] = "password";
  PEM_write_bio_PrivateKey(out, read, EVP_aes_128_cbc(), password, 8, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(in);
  BIO_free(out);
  EVP_PKEY_free(read);
  return text;
}

// Writes a file; returns its path.
std::string write(const TemporaryFolder& folder, const std::string& name, const std::string& text) {
  const auto path = folder.path() / name;
  std::ofstream(path) << text;
  return path.string();
}

// What is said of these.
std::string refusal_of(const TlsOptions& options) {
  try {
    const TlsContext context(options);
    return "taken";
  } catch (const std::exception& refusal) {
    return refusal.what();
  }
}

}  // namespace

TEST_CASE("certificate and key come from files or from text") {
  TemporaryFolder folder;
  const TlsIdentity own = authority().issue({"localhost"});
  const std::string chain = write(folder, "chain.pem", own.certificate + authority().certificate());
  const std::string key = write(folder, "key.pem", own.key);
  CHECK(refusal_of({.certificate_file = chain, .key_file = key}) == "taken");
  CHECK(refusal_of({.key_file = key, .certificate = own.certificate}) == "taken");
  CHECK(refusal_of({.certificate_file = chain, .key = own.key}) == "taken");
  CHECK(TlsContext({.certificate_file = chain, .key_file = key}).certificate() == own.certificate);
}

TEST_CASE("what cannot be used is named, with what to do") {
  TemporaryFolder folder;
  const TlsIdentity own = authority().issue({"localhost"}), other = authority().issue({"example.com"});
  const std::string chain = write(folder, "chain.pem", own.certificate), key = write(folder, "key.pem", own.key);
  const std::string other_key = write(folder, "other.pem", other.key);
  const std::string plain = write(folder, "plain.txt", "no certificate\n");
  const std::string cut = write(folder, "cut.pem", own.certificate.substr(0, own.certificate.size() / 2));
  const std::string torn = write(folder, "torn.pem", own.certificate + "-----BEGIN CERTIFICATE-----\nAAAA\n");
  const std::string locked = write(folder, "locked.pem", encrypted(own.key));
  const std::string missing = (folder.path() / "missing.pem").string();

  CHECK_THROWS_AS(TlsContext({.certificate_file = missing, .key_file = key}), std::system_error);
  CHECK_THAT(refusal_of({.certificate_file = missing, .key_file = key}),
             ContainsSubstring("cannot read the certificate " + quote(missing) + ": No such file"));
  CHECK_THAT(refusal_of({.certificate_file = chain, .key_file = folder.path().string()}),
             ContainsSubstring("cannot read the key " + quote(folder.path().string()) + ": Is a directory"));
  for (const std::string& broken : {plain, cut, key}) {
    CHECK_THAT(refusal_of({.certificate_file = broken, .key_file = key}),
               ContainsSubstring("the certificate " + quote(broken) + " is no certificate in PEM") &&
                   ContainsSubstring("OpenSSL says: "));
  }
  CHECK_THAT(refusal_of({.certificate_file = torn, .key_file = key}),
             ContainsSubstring("the certificate " + quote(torn) + " has a certificate that is broken"));
  CHECK_THAT(refusal_of({.certificate_file = chain, .key_file = chain}),
             ContainsSubstring("the key " + quote(chain) + " is no private key in PEM"));
  CHECK_THAT(refusal_of({.certificate_file = chain, .key_file = other_key}),
             ContainsSubstring("the key " + quote(other_key) + " does not belong to the certificate " + quote(chain)) &&
                 ContainsSubstring("key values mismatch"));
  CHECK_THAT(refusal_of({.certificate_file = chain, .key_file = locked}),
             ContainsSubstring("the key " + quote(locked) + " is encrypted: decrypt it first"));
  CHECK_THAT(refusal_of({.certificate_file = chain}), ContainsSubstring("the key is missing"));
  CHECK_THAT(refusal_of({}), ContainsSubstring("the certificate is missing"));
  CHECK_THAT(refusal_of({.certificate = "x", .key = own.key}), ContainsSubstring("the text of the certificate is no"));
  CHECK_THAT(
      refusal_of({.certificate_file = chain, .key_file = key, .client_certificates = ClientCertificates::required}),
      ContainsSubstring("who vouches for clients is missing"));
  CHECK_THAT(refusal_of({.certificate_file = chain, .key_file = key, .ticket_lifetime = -1s}),
             ContainsSubstring("ticket_lifetime"));
  CHECK(ERR_peek_error() == 0);
}

TEST_CASE("a reload that fails changes nothing") {
  TemporaryFolder folder;
  const TlsIdentity own = authority().issue({"localhost"}), renewed = authority().issue({"localhost"});
  const std::string chain = write(folder, "chain.pem", own.certificate), key = write(folder, "key.pem", own.key);
  TlsContext context({.certificate_file = chain, .key_file = key});
  write(folder, "chain.pem", renewed.certificate);
  CHECK_THROWS_AS(context.reload(), std::invalid_argument);  // the key is still the old one
  CHECK(context.certificate() == own.certificate);
  write(folder, "key.pem", renewed.key);
  context.reload();
  CHECK(context.certificate() == renewed.certificate);
  CHECK_THROWS_AS(context.reload({.certificate = "nonsense", .key = "nonsense"}), std::invalid_argument);
  context.reload();  // by the options that were good
  CHECK(context.certificate() == renewed.certificate);
}

TEST_CASE("a self-signed certificate is for this machine, and each has a number of its own") {
  const TlsCertificate made = detail::make_self_signed(), other = detail::make_self_signed();
  const auto read = detail::read_certificates({made.certificate, "it"});
  REQUIRE(read.size() == 1);
  X509& certificate = *read.front();
  CHECK(detail::names_of(certificate) == std::vector<std::string>{"localhost"});
  CHECK(X509_check_ip_asc(&certificate, "127.0.0.1", 0) == 1);
  CHECK(X509_check_ip_asc(&certificate, "::1", 0) == 1);
  CHECK(X509_check_ip_asc(&certificate, "127.0.0.2", 0) == 0);
  CHECK(X509_cmp_current_time(X509_get0_notBefore(&certificate)) < 0);
  CHECK(X509_cmp_current_time(X509_get0_notAfter(&certificate)) > 0);
  const auto another = detail::read_certificates({other.certificate, "it"});
  CHECK(ASN1_INTEGER_cmp(X509_get0_serialNumber(&certificate), X509_get0_serialNumber(another.front().get())) != 0);
  CHECK(TlsContext::self_signed()->certificate() != TlsContext::self_signed()->certificate());
}

TEST_CASE("a name is served by the certificate that has it, in full or with a wildcard for one label") {
  const TlsIdentity first = authority().issue({"localhost", "Example.COM"}),
                    wild = authority().issue({"*.example.com"});
  TlsOptions options{.certificate = first.certificate, .key = first.key};
  options.others.push_back({{}, {}, wild.certificate, wild.key});
  const detail::TlsConfig config(options, nullptr);
  SSL_CTX* const own = config.context_for("localhost");
  SSL_CTX* const other = config.context_for("a.example.com");
  REQUIRE(own != nullptr);
  REQUIRE(other != nullptr);
  CHECK(own != other);
  CHECK(config.context_for("example.com") == own);
  CHECK(config.context_for("EXAMPLE.com.") == own);
  CHECK(config.context_for("B.Example.Com") == other);
  for (const char* const name : {"", ".", "..", "com", "a.b.example.com", ".example.org", "*.example.org"}) {
    CHECK(config.context_for(name) == nullptr);
  }
}

TEST_CASE("a key seals tickets for its time, and opens them for as long again") {
  detail::TicketKeys keys(10h);
  const detail::TimePoint start{100h};
  const detail::TicketKey first = keys.sealing(start);
  CHECK(keys.sealing(start + 9h).name == first.name);
  REQUIRE(keys.opening(first.name.data(), start + 9h));
  CHECK(keys.opening(first.name.data(), start + 9h)->is_newest);
  CHECK(keys.opening(first.name.data(), start + 9h)->key.cipher == first.cipher);
  const detail::TicketKey second = keys.sealing(start + 10h);
  CHECK(second.name != first.name);
  CHECK(second.cipher != first.cipher);
  CHECK(second.mac != first.mac);
  REQUIRE(keys.opening(first.name.data(), start + 19h));
  CHECK_FALSE(keys.opening(first.name.data(), start + 19h)->is_newest);
  CHECK_FALSE(keys.opening(first.name.data(), start + 20h));
  CHECK(keys.opening(second.name.data(), start + 20h));
  // After a night in which nobody came none is left.
  CHECK_FALSE(keys.opening(second.name.data(), start + 40h));
}
