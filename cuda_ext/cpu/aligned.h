// Scratch memory that starts on a cache line, so that a vector never straddles two, and that is not set to zero first.
#pragma once
#include <cstddef>
#include <new>
#include <vector>

namespace gk {

template <class T> struct CacheLineAllocator {
  using value_type = T;
  static constexpr std::size_t kAlignment = alignof(T) > 64 ? alignof(T) : 64;
  CacheLineAllocator() = default;
  template <class U> CacheLineAllocator(const CacheLineAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(kAlignment))); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(kAlignment)); }
  template <class U> void construct(U* p) { ::new (static_cast<void*>(p)) U; }
  template <class U, class V> void construct(U* p, const V& value) { ::new (static_cast<void*>(p)) U(value); }
  template <class U> bool operator==(const CacheLineAllocator<U>&) const { return true; }
  template <class U> bool operator!=(const CacheLineAllocator<U>&) const { return false; }
};

template <class T> using AlignedVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace gk
