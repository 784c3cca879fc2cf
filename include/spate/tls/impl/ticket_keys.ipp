// The functions of ticket_keys.hpp.
#pragma once

#include <algorithm>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <spate/config.hpp>
#include <spate/tls/detail/openssl.hpp>
#include <spate/tls/detail/ticket_keys.hpp>

namespace spate::detail {

// What is left in memory would open every ticket of its time.
SPATE_DECL TicketKey::~TicketKey() {
  OPENSSL_cleanse(cipher.data(), cipher.size());
  OPENSSL_cleanse(mac.data(), mac.size());
}

SPATE_DECL TicketKey TicketKeys::sealing(TimePoint now) {
  const Lock lock(mutex_);
  rotate(now);
  if (!newest_) {
    Aged fresh{{}, now};
    const auto fill = [](auto& bytes) { return RAND_priv_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1; };
    if (!fill(fresh.key.name) || !fill(fresh.key.cipher) || !fill(fresh.key.mac)) {
      throw std::runtime_error("spate::TlsContext: no random bytes for session tickets: " + take_openssl_reason());
    }
    newest_ = fresh;
  }
  return newest_->key;
}

SPATE_DECL std::optional<TicketKeys::Opening> TicketKeys::opening(const unsigned char* name, TimePoint now) {
  const Lock lock(mutex_);
  rotate(now);
  for (const auto* each : {&newest_, &previous_}) {
    if (*each && std::equal((*each)->key.name.begin(), (*each)->key.name.end(), name)) {
      return Opening{(*each)->key, each == &newest_};
    }
  }
  return std::nullopt;
}

SPATE_DECL void TicketKeys::rotate(TimePoint now) {
  if (newest_ && now - newest_->since >= lifetime_) {
    previous_ = newest_;
    newest_.reset();
  }
  if (previous_ && now - previous_->since >= 2 * lifetime_) previous_.reset();
}

}  // namespace spate::detail
