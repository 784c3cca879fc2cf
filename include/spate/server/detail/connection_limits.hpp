// ConnectionLimits: how many connections a server has, in all and from one address, and who may have one more. No I/O.
//
//   ConnectionLimits::Entry entry = limits->enter(remote.address());
//   if (entry.verdict == ConnectionLimits::Verdict::serve) poller.hold(socket, std::move(entry.place));
//
// Asked as soon as a connection is accepted, so that none is open without being counted: not on its way to its shard,
// and not while it is closed in stages. Threads: any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <asio/ip/address.hpp>

#include <spate/stream/detail/resident.hpp>

namespace spate::detail {

/// What counts as one address: IPv4 within IPv6 is IPv4, and of IPv6 it is the first 64 bits, since whoever has one
/// such address has all that begin with these (RFC 4291 2.5.4).
inline asio::ip::address counted_address(const asio::ip::address& address) noexcept {
  if (address.is_v4()) return address;
  asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) {
    return asio::ip::address_v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  }
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes);
}

class ConnectionLimits final : public RefCounted<ConnectionLimits> {
 public:
  /// Refused connections that are open at once, so that their clients can read why. A client that keeps its end open
  /// would otherwise hold a descriptor of the server for each of its attempts.
  static constexpr std::size_t most_refused = 64;

  /// Zero: no limit.
  ConnectionLimits(std::size_t in_all, std::size_t per_address) noexcept : in_all_(in_all), per_address_(per_address) {}

  enum class Verdict : std::uint8_t {
    serve,
    refuse,     // answer 503 and close in stages
    turn_away,  // close at once
  };

  struct Entry {
    Verdict verdict = Verdict::serve;
    /// To hold until the socket is closed; null where nothing is counted.
    Ref<Resident> place = nullptr;
  };

  /// Decides about one more connection from `remote`; that of a Unix socket has no address and counts in all only.
  Entry enter(const std::optional<asio::ip::address>& remote) {
    if (in_all_ == 0 && (per_address_ == 0 || !remote)) return {};
    const auto place = make_ref<Place>(Ref<ConnectionLimits>(this));
    const asio::ip::address address = remote ? counted_address(*remote) : asio::ip::address();
    const std::lock_guard lock(mutex_);
    if (in_all_ == 0 || open_ < in_all_) {
      const auto here = by_address_.try_emplace(address, 0).first;
      if (per_address_ == 0 || !remote || here->second < per_address_) {
        ++open_;
        ++here->second;
        place->address = address;
        place->counts = true;
        return {Verdict::serve, place};
      }
    }
    if (refused_ == most_refused) return {Verdict::turn_away};
    ++refused_;
    place->counts = true;
    return {Verdict::refuse, place};
  }

 private:
  struct Place final : Resident {
    explicit Place(Ref<ConnectionLimits> of) : limits(std::move(of)) {}
    ~Place() override {
      if (counts) limits->leave(address);
    }
    const Ref<ConnectionLimits> limits;
    std::optional<asio::ip::address> address;  // of a connection that is served
    bool counts = false;
  };

  void leave(const std::optional<asio::ip::address>& address) {
    const std::lock_guard lock(mutex_);
    if (!address) {
      --refused_;
      return;
    }
    --open_;
    const auto found = by_address_.find(*address);
    if (--found->second == 0) by_address_.erase(found);
  }

  const std::size_t in_all_;
  const std::size_t per_address_;
  std::mutex mutex_;
  std::size_t open_ = 0;
  std::size_t refused_ = 0;
  std::map<asio::ip::address, std::size_t> by_address_;
};

}  // namespace spate::detail
