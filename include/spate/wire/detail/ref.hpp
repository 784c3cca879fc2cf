// Ref<T>: a counted pointer of one word to an object that carries its own count.
//
// `std::shared_ptr` is two words and a control block; queues and registries hold millions of these. T derives from
// RefCounted<T> and may define `static void destroy(T*)` when it was not made by plain `new`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace spate::detail {

template <typename T>
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void add_ref() const noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }

  /// Adds a reference unless the last one has gone; returns whether it did. For whoever has none, and makes sure
  /// otherwise that the memory is not freed meanwhile.
  bool try_add_ref() const noexcept {
    std::uint32_t refs = refs_.load(std::memory_order_relaxed);
    while (refs > 0 && !refs_.compare_exchange_weak(refs, refs + 1, std::memory_order_relaxed)) {
    }
    return refs > 0;
  }

  void release() const noexcept {
    // Acquire-release: whoever destroys sees every write made through the other references.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      T::destroy(const_cast<T*>(static_cast<const T*>(this)));
    }
  }

  static void destroy(T* object) noexcept { delete object; }

 protected:
  ~RefCounted() = default;

 private:
  mutable std::atomic<std::uint32_t> refs_{0};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) noexcept {}  // NOLINT(google-explicit-constructor): as with any pointer
  explicit Ref(T* object) noexcept : object_(object) {
    if (object_ != nullptr) object_->add_ref();
  }
  Ref(const Ref& other) noexcept : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <typename U>
    requires std::is_convertible_v<U*, T*>
  Ref(const Ref<U>& other) noexcept : Ref(other.get()) {}  // NOLINT(google-explicit-constructor)
  ~Ref() {
    if (object_ != nullptr) object_->release();
  }

  /// Null when the last reference to `object` has gone, or it is null. See RefCounted::try_add_ref.
  static Ref try_make(T* object) noexcept {
    Ref made;
    if (object != nullptr && object->try_add_ref()) made.object_ = object;
    return made;
  }

  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Ref& a, const Ref& b) noexcept { return a.object_ == b.object_; }

 private:
  T* object_ = nullptr;
};

template <typename T, typename... Arguments>
Ref<T> make_ref(Arguments&&... arguments) {
  return Ref<T>(new T(std::forward<Arguments>(arguments)...));
}

}  // namespace spate::detail
