// ConnectionLimits: how many connections a server has, in all and from one address, and who may have one more. No I/O.
//
//   ConnectionLimits::Entry entry = limits->enter(remote.address());
//   if (entry.verdict == ConnectionLimits::Verdict::serve) poller.hold(socket, std::move(entry.permit));
//
// Asked as soon as a connection is accepted, so that none is open without being counted: not on its way to its shard,
// and not while it is closed in stages. Threads: any.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include <asio/ip/address.hpp>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/loop/detail/resident.hpp>

namespace spate::detail {

/// What counts as one address: IPv4 within IPv6 is IPv4, and of IPv6 it is the first 64 bits, since whoever has one
/// such address has all that begin with these (RFC 4291 2.5.4).
SPATE_DECL asio::ip::address counted_address(const asio::ip::address& address) noexcept;

class ConnectionLimits final : public RefCounted<ConnectionLimits> {
 public:
  /// Refused connections that are open at once, so that their clients can read why. A client that keeps its end open
  /// would otherwise hold a descriptor of the server for each of its attempts.
  static constexpr std::size_t max_refused = 64;

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
    Ref<Resident> permit = nullptr;
  };

  /// Decides about one more connection from `remote`; that of a Unix socket has no address and counts in all only.
  Entry enter(const std::optional<asio::ip::address>& remote);

 private:
  struct Permit final : Resident {
    explicit Permit(Ref<ConnectionLimits> of) : limits(std::move(of)) {}
    ~Permit() override {
      if (counts) limits->leave(address);
    }
    const Ref<ConnectionLimits> limits;
    std::optional<asio::ip::address> address;  // of a connection that is served
    bool counts = false;
  };

  void leave(const std::optional<asio::ip::address>& address);

  const std::size_t in_all_;
  const std::size_t per_address_;
  Mutex mutex_;
  std::size_t open_ SPATE_GUARDED_BY(mutex_) = 0;
  std::size_t refused_ SPATE_GUARDED_BY(mutex_) = 0;
  std::map<asio::ip::address, std::size_t> by_address_ SPATE_GUARDED_BY(mutex_);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/server/impl/connection_limits.ipp>
#endif
