// The way from a handle to the core that it refers to, for the layers above it and for tests: each handle has it as its
// friend, and shows nothing of it to programs.
//
//   const Ref<StreamCore>& core = access::core(stream);
//   const auto stream = access::handle<EventStream>(core);
#pragma once

#include <utility>

namespace spate::detail {

struct access {
  template <typename Handle>
  static const auto& core(const Handle& handle) noexcept {
    return handle.core_.ref();
  }

  template <typename Handle, typename CoreRef>
  static Handle handle(CoreRef core) {
    return Handle(std::move(core));
  }
};

}  // namespace spate::detail
