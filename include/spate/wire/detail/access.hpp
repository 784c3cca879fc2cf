// access: the way from a public handle to its core, for the library's own layers and for tests.
//
//   detail::access::core(stream)->fall_behind();
//   const EventStream stream = detail::access::handle<EventStream>(core);
//
// A handle's header only declares its core. It befriends this, so that programs see neither.
#pragma once

#include <utility>

namespace spate::detail {

struct access {
  template <typename Handle>
  static const auto& core(const Handle& handle) noexcept {
    return handle.core_;
  }

  template <typename Handle, typename CoreRef>
  static Handle handle(CoreRef core) {
    return Handle(std::move(core));
  }
};

}  // namespace spate::detail
