// SoleUse: the mark of something that serves one owner at a time, and the owner's claim to it.
#pragma once

#include <atomic>
#include <utility>

namespace spate::detail {

/// Threads: any.
class SoleUse {
 public:
  /// Returns false when it is in use.
  bool claim() noexcept { return !taken_.exchange(true); }
  void release() noexcept { taken_.store(false); }

 private:
  std::atomic<bool> taken_{false};
};

/// Releases what it holds when it goes.
class Claim {
 public:
  Claim() = default;
  /// Of a use that has been claimed; null holds nothing.
  explicit Claim(SoleUse* use) noexcept : use_(use) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() { release(); }

  void release() noexcept {
    if (SoleUse* use = std::exchange(use_, nullptr)) use->release();
  }

 private:
  SoleUse* use_ = nullptr;
};

}  // namespace spate::detail
