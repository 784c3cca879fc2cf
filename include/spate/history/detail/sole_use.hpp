// SoleUse: the mark of something that serves one emitter at a time, and the emitter's claim to it.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>
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
  /// Takes `use`, the mark of a `what`; of null there is nothing to take. Throws std::invalid_argument when another
  /// emitter has it.
  Claim(SoleUse* use, const char* what) : use_(use) {
    if (use == nullptr || use->claim()) return;
    throw std::invalid_argument(std::string("spate::Emitter: this ") + what +
                                " serves another emitter; make one for each emitter");
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  ~Claim() { release(); }

  void release() noexcept {
    if (SoleUse* use = std::exchange(use_, nullptr)) use->release();
  }

 private:
  SoleUse* use_;
};

}  // namespace spate::detail
