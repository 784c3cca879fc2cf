// Message: a call of a member function, on its way to the loop on which its object lives.
//
//   loop.post(call<&StreamCore::take_sent>(stream, std::move(event)));
#pragma once

#include <utility>

#include <spate/loop/detail/resident.hpp>
#include <spate/wire/detail/ref.hpp>
#include <spate/wire/encoded_event.hpp>

namespace spate::detail {

class Message {
 public:
  using Deliver = void (*)(Resident& to, EncodedEvent&& event);

  Message(Ref<Resident> to, Deliver function, EncodedEvent event) noexcept
      : to_(std::move(to)), deliver_(function), event_(std::move(event)) {}

  Resident& to() const noexcept { return *to_; }

  /// On the loop, once.
  void deliver() { deliver_(*to_, std::move(event_)); }

 private:
  Ref<Resident> to_;
  Deliver deliver_;
  EncodedEvent event_;
};

/// Calls `Function` of `to` on its loop, with `event` if it takes one.
template <auto Function, typename To>
Message call(Ref<To> to, EncodedEvent event = {}) noexcept {
  constexpr Message::Deliver deliver = [](Resident& resident, EncodedEvent&& taken) {
    auto& object = static_cast<To&>(resident);
    if constexpr (requires { (object.*Function)(std::move(taken)); }) {
      (object.*Function)(std::move(taken));
    } else {
      (object.*Function)();
    }
  };
  return {std::move(to), deliver, std::move(event)};
}

}  // namespace spate::detail
