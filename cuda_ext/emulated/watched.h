// What the sanitizers of the compiler must know of fibers, so that they check kernels: AddressSanitizer finds accesses
// outside of arrays, shared memory among them, and ThreadSanitizer finds races between the threads of a block.
#pragma once
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#elif defined(GK_WATCH_RACES)
#include <sanitizer/tsan_interface.h>
#endif

namespace emulated::watched {

struct Stack {
  const void* bottom;
  size_t size;
  void* handle;
};

#if defined(__SANITIZE_ADDRESS__)

inline Stack begin(void* bottom, size_t size) { return {bottom, size, nullptr}; }
inline Stack scheduler() { return {nullptr, 0, nullptr}; }  // known when a fiber has come from there
inline void end(Stack&) {}
inline void leave(Stack& from, Stack& to) { __sanitizer_start_switch_fiber(&from.handle, to.bottom, to.size); }
inline void arrive(Stack& at, Stack& from) {
  const void* bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(at.handle, &bottom, &size);
  if (!from.bottom) from.bottom = bottom, from.size = size;
}
inline void release(void*) {}
inline void acquire(void*) {}

#elif defined(GK_WATCH_RACES)

inline Stack begin(void* bottom, size_t size) { return {bottom, size, __tsan_create_fiber(0)}; }
inline Stack scheduler() { return {nullptr, 0, __tsan_get_current_fiber()}; }
inline void end(Stack& stack) { __tsan_destroy_fiber(stack.handle); }
inline void leave(Stack&, Stack& to) { __tsan_switch_to_fiber(to.handle, __tsan_switch_to_fiber_no_sync); }
inline void arrive(Stack&, Stack&) {}
inline void release(void* at) { __tsan_release(at); }
inline void acquire(void* at) { __tsan_acquire(at); }

#else

inline Stack begin(void* bottom, size_t size) { return {bottom, size, nullptr}; }
inline Stack scheduler() { return {}; }
inline void end(Stack&) {}
inline void leave(Stack&, Stack&) {}
inline void arrive(Stack&, Stack&) {}
inline void release(void*) {}
inline void acquire(void*) {}

#endif

}  // namespace emulated::watched
