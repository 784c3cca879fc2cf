// The functions of core_ref.hpp.
#pragma once

#include <utility>

#include <spate/wire/detail/core_ref.hpp>

namespace spate::detail {

template <typename Core>
CoreRef<Core>::CoreRef(Ref<Core> core) noexcept : ref_(std::move(core)) {}

template <typename Core>
CoreRef<Core>::CoreRef(const CoreRef& other) noexcept = default;

template <typename Core>
CoreRef<Core>::CoreRef(CoreRef&& other) noexcept = default;

template <typename Core>
CoreRef<Core>& CoreRef<Core>::operator=(CoreRef other) noexcept {
  std::swap(ref_, other.ref_);
  return *this;
}

template <typename Core>
CoreRef<Core>::~CoreRef() = default;

}  // namespace spate::detail
