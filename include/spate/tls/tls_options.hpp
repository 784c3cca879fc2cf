// TlsOptions: with which certificates a server encrypts, and whom it asks for theirs.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace spate {

/// A certificate and its key, in PEM: each from a file, or as text in its place.
struct TlsCertificate {
  /// The certificate itself first, then those that it rests on, up to the root, which need not be there.
  std::string certificate_file = {};
  /// The key, not encrypted: nobody is there to be asked for its password.
  std::string key_file = {};
  /// The same as text. Empty: the file is read.
  std::string certificate = {};
  std::string key = {};
};

/// Whom a server asks for a certificate.
enum class ClientCertificates {
  off,        // nobody
  requested,  // everybody; who gives none comes in without. One that is not valid ends the handshake
  required,   // everybody; without a valid one nobody comes in
};

struct TlsOptions {
  /// As for TlsCertificate. Its names are those that it certifies (SAN); it also serves whoever names no server, or one
  /// that nobody certifies.
  std::string certificate_file = {};
  std::string key_file = {};
  std::string certificate = {};
  std::string key = {};

  /// Certificates for other names. A client gets the one that certifies the name it asks for, in full or as
  /// `*.example.com`. (RFC 6066 3)
  std::vector<TlsCertificate> others = {};

  /// Certificates of clients; the subject of one that is valid is Request::client_subject.
  ClientCertificates client_certificates = ClientCertificates::off;
  /// Who vouches for clients: the certificates, in PEM, of a file or as text. Nobody else is believed.
  std::string client_ca_file = {};
  std::string client_ca = {};

  /// How long the key lasts that session tickets are sealed with, and a ticket at most. One that was sealed with the
  /// key before is still good. A client that comes back with one is not asked for its certificate again, and what it
  /// was recorded as stays valid for as long. Zero: no tickets, every handshake is a whole one.
  std::chrono::seconds ticket_lifetime = std::chrono::hours(12);
};

}  // namespace spate
