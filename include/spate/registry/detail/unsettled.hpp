// Unsettled: events that have been given to a store which keeps later, and whose fate is not known yet, in their order;
// with them those that are not kept and came after. Guarded by the emitter's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <spate/config.hpp>
#include <spate/history/audience.hpp>
#include <spate/registry/detail/receipt.hpp>
#include <spate/registry/detail/subscription.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Unsettled {
 public:
  struct Item {
    std::uint64_t sequence = 0;  // 0: it is not kept
    std::uint64_t after = 0;     // the newest that was given to the store before it
    Audience::Kind kind = Audience::Kind::everybody;
    std::vector<std::string> names;
    EncodedEvent event;                // empty when it has been delivered
    std::shared_ptr<Receipt> receipt;  // null when nobody awaits it
    bool relayed = false;              // another process sent it, and others have it: here it is missing if it is lost
    std::error_code error;             // why it is not kept, once that is known

    /// Lives no longer than this.
    Audience audience() const noexcept { return Audience::of(kind, names); }
    /// Whether it stands for events of other processes that could not wait.
    bool is_lost() const noexcept { return relayed && sequence == 0 && !event; }
  };

  bool empty() const noexcept { return items_.empty(); }
  std::size_t bytes() const noexcept { return bytes_; }

  Item& front() noexcept { return items_.front(); }
  /// Whether there is one that the fate of the event `up_to` decides: it is that, or before it, or is not kept.
  bool has(std::uint64_t up_to) const noexcept { return !items_.empty() && items_.front().sequence <= up_to; }

  /// Throws before it changes anything. Of `item` the rest is set already.
  void push(Item&& item, const Audience& audience);
  void pop_front() noexcept;
  /// The event that was pushed last is not to come after all.
  void pop_back() noexcept;
  /// The event `sequence`, if it waits, comes from another process.
  void note_relayed(std::uint64_t sequence) noexcept;
  /// One from another process, after `after`, cannot wait: it is lost.
  void push_lost(std::uint64_t after);

  /// `subscription` has drawn all that is settled, and is to be told when more is.
  void wait(Subscription& subscription) { waiting_.push_back(Ref<Subscription>(&subscription)); }
  std::vector<Ref<Subscription>> take_waiting() noexcept { return std::exchange(waiting_, {}); }

  /// Nobody is told of anything any more but those who await an event.
  std::list<Item> close() noexcept;

 private:
  static std::size_t size_of(const Item& item) noexcept;

  std::list<Item> items_;  // as it is empty without memory
  std::size_t bytes_ = 0;
  std::vector<Ref<Subscription>> waiting_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/registry/impl/unsettled.ipp>
#endif
