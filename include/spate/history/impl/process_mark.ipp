// The functions of process_mark.hpp.
#pragma once

#include <spate/config.hpp>
#include <spate/history/detail/process_mark.hpp>

#if !defined(_WIN32)

namespace spate::detail {

SPATE_DECL ProcessMark::ProcessMark() noexcept : pid_(::getpid()) {
#if defined(MADV_WIPEONFORK) && !defined(SPATE_PORTABLE)
  void* const page = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return;
  if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
    ::munmap(page, size);
    return;
  }
  mark_ = static_cast<volatile char*>(page);
  *mark_ = 1;
#endif
}

SPATE_DECL void ProcessMark::renew() noexcept {
  pid_ = ::getpid();
  if (mark_ != nullptr) *mark_ = 1;
}

}  // namespace spate::detail

#endif
