// The functions of connection_limits.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/server/detail/connection_limits.hpp>

namespace spate::detail {

SPATE_DECL asio::ip::address counted_address(const asio::ip::address& address) noexcept {
  if (address.is_v4()) return address;
  asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) {
    return asio::ip::address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes);
}

SPATE_DECL ConnectionLimits::Entry ConnectionLimits::enter(const std::optional<asio::ip::address>& remote) {
  if (in_all_ == 0 && (per_address_ == 0 || !remote)) return {};
  const auto permit = make_ref<Permit>(Ref<ConnectionLimits>(this));
  const asio::ip::address address = remote ? counted_address(*remote) : asio::ip::address();
  const Lock lock(mutex_);
  if (in_all_ == 0 || open_ < in_all_) {
    const auto here = by_address_.try_emplace(address, 0).first;
    if (per_address_ == 0 || !remote || here->second < per_address_) {
      ++open_;
      ++here->second;
      permit->address = address;
      permit->counts = true;
      return {Verdict::serve, permit};
    }
  }
  if (refused_ == max_refused) return {Verdict::turn_away};
  ++refused_;
  permit->counts = true;
  return {Verdict::refuse, permit};
}

SPATE_DECL void ConnectionLimits::leave(const std::optional<asio::ip::address>& address) {
  const Lock lock(mutex_);
  if (!address) {
    --refused_;
    return;
  }
  --open_;
  const auto found = by_address_.find(*address);
  if (--found->second == 0) by_address_.erase(found);
}

}  // namespace spate::detail
