// CoreRef<Core>: a Ref for public handles, whose headers only declare their cores.
//
// What needs to know the core stands in core_ref.ipp, which the functions of a handle include. Compiled once, they
// instantiate it for their core:
//
//   template class CoreRef<StreamCore>;
#pragma once

#include <utility>

#include <spate/config.hpp>
#include <spate/wire/detail/ref.hpp>

namespace spate::detail {

template <typename Core>
class CoreRef {
 public:
  explicit CoreRef(Ref<Core> core) noexcept;
  CoreRef(const CoreRef& other) noexcept;
  CoreRef(CoreRef&& other) noexcept;
  CoreRef& operator=(CoreRef other) noexcept;
  ~CoreRef();

  const Ref<Core>& ref() const noexcept { return ref_; }
  Core* operator->() const noexcept { return ref_.get(); }
  Core& operator*() const noexcept { return *ref_.get(); }
  explicit operator bool() const noexcept { return static_cast<bool>(ref_); }
  friend bool operator==(const CoreRef& a, const CoreRef& b) noexcept { return a.ref_ == b.ref_; }

 private:
  Ref<Core> ref_;
};

}  // namespace spate::detail

#if defined(SPATE_HEADER_ONLY)
#include <spate/wire/impl/core_ref.ipp>
#endif
