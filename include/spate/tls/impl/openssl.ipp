// The functions of openssl.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/tls/detail/openssl.hpp>

namespace spate::detail {

SPATE_DECL std::string take_openssl_reason() {
  const unsigned long first = ERR_get_error();  // what comes behind it follows from it
  const char* const reason = first == 0 ? nullptr : ERR_reason_error_string(first);
  ERR_clear_error();
  return reason == nullptr ? "OpenSSL gives no reason" : std::string("OpenSSL says: ") + reason;
}

}  // namespace spate::detail
