// The stream that kernels run on: set by the bindings for the length of a call, read by `launch`.
#pragma once
#include <cstdint>

struct CUstream_st;

namespace gk::cuda {

inline thread_local CUstream_st* stream = nullptr;

class OnStream {
 public:
  explicit OnStream(uintptr_t address) : before_(stream) { stream = reinterpret_cast<CUstream_st*>(address); }
  ~OnStream() { stream = before_; }
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  CUstream_st* before_;
};

}  // namespace gk::cuda
