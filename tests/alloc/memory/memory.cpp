#include "alloc/memory/memory.hpp"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

thread_local bool counts = false;
std::atomic<std::size_t> count{0};
std::atomic<std::size_t> bytes{0};

// Each block's size stands before it, as far as what follows must be aligned.
constexpr std::size_t before = alignof(std::max_align_t);
static_assert(sizeof(std::size_t) <= before);

void* allocate(std::size_t size) noexcept {
  if (counts) count.fetch_add(1, std::memory_order_relaxed);
  void* const memory = std::malloc(before + size);
  if (memory == nullptr) return nullptr;
  std::memcpy(memory, &size, sizeof size);
  bytes.fetch_add(size, std::memory_order_relaxed);
  return static_cast<std::byte*>(memory) + before;
}

void release(void* block) noexcept {
  if (block == nullptr) return;
  void* const memory = static_cast<std::byte*>(block) - before;
  std::size_t size = 0;
  std::memcpy(&size, memory, sizeof size);
  bytes.fetch_sub(size, std::memory_order_relaxed);
  std::free(memory);
}

}  // namespace

namespace spate::test {

void count_this_thread(bool wanted) noexcept {
  counts = wanted;
}
std::size_t allocations() noexcept {
  return count;
}
std::size_t live_bytes() noexcept {
  return bytes;
}

}  // namespace spate::test

void* operator new(std::size_t size) {
  if (void* const memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  release(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  release(memory);
}

// A sanitizer has those for arrays itself, which would not come here.
void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete[](void* memory) noexcept {
  release(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  release(memory);
}
