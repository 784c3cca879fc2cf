// TicketKeys: what session tickets are sealed with, for all loops of a TlsContext. A client that comes back with one
// needs no whole handshake, whichever loop serves it; the server keeps nothing for it. (RFC 8446 4.6.1, RFC 5077)
//
// Keys change with time: tickets are sealed with the newest, and the one before it still opens what it has sealed.
// Threads: any.
#pragma once

#include <array>
#include <optional>

#include <spate/config.hpp>
#include <spate/detail/lock.hpp>
#include <spate/loop/detail/clock.hpp>

namespace spate::detail {

struct TicketKey {
  std::array<unsigned char, 16> name;  // stands in the ticket
  std::array<unsigned char, 32> cipher;
  std::array<unsigned char, 32> mac;

  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();
};

class TicketKeys {
 public:
  /// Each key seals for `lifetime`, and opens for twice as long.
  explicit TicketKeys(Clock::duration lifetime) : lifetime_(lifetime) {}

  /// The key to seal with. Throws std::runtime_error when no random bytes can be had.
  TicketKey sealing(TimePoint now);

  struct Opening {
    TicketKey key;
    bool is_newest = false;
  };
  /// The key that a ticket names; nothing when there is none any more.
  std::optional<Opening> opening(const unsigned char* name, TimePoint now);

  Clock::duration lifetime() const noexcept { return lifetime_; }

 private:
  struct Aged {
    TicketKey key;
    TimePoint since;
  };

  void rotate(TimePoint now) SPATE_REQUIRES(mutex_);

  const Clock::duration lifetime_;
  Mutex mutex_;
  std::optional<Aged> newest_ SPATE_GUARDED_BY(mutex_);
  std::optional<Aged> previous_ SPATE_GUARDED_BY(mutex_);
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/tls/impl/ticket_keys.ipp>
#endif
