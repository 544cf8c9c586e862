// Searches are compiled three times: from plain vectors for SSE and AVX2, and with AVX-512 instructions that GCC does not
// find (a comparison as a bit mask, a shift through registers), which make the nearest neighbours twice as fast.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "../cpu/parallel.h"
#include "search.h"
#include "search_state.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define GK_HAS_AVX512_SEARCH
#endif

namespace gk {
namespace {

constexpr int64_t kGroupsOfTask = 16;

template <class T> using Found = std::vector<std::pair<int32_t, T>>;

#define GK_WIDE GK_INLINE
#define GK_WIDE_LAMBDA GK_INLINE_LAMBDA
namespace portable {
#include "search_portable.h"
#include "search_body.h"
}  // namespace portable
#undef GK_WIDE
#undef GK_WIDE_LAMBDA


#define GK_PORTABLE_SEARCHES(T)                                                                                              \
  GK_MULTIVERSION void run_nearest(const SearchInput<T>& in, int64_t group, Scratch<T>& s, T* distances, int64_t* indices) {  \
    portable::nearest_of_group<0>(in, group, s, distances, indices);                                                          \
  }                                                                                                                           \
  GK_MULTIVERSION void run_count(const SearchInput<T>& in, T radius2, int64_t group, int64_t* counts) {                       \
    portable::count_group(in, radius2, group, counts);                                                                        \
  }                                                                                                                           \
  GK_MULTIVERSION void run_fill(const SearchInput<T>& in, T radius2, int64_t group, const int64_t* offsets, Found<T>& list,   \
                                int64_t* indices, T* distances) {                                                             \
    portable::fill_group(in, radius2, group, offsets, list, indices, distances);                                              \
  }
GK_PORTABLE_SEARCHES(float)
GK_PORTABLE_SEARCHES(double)
#undef GK_PORTABLE_SEARCHES

#ifdef GK_HAS_AVX512_SEARCH
#define GK_AVX512 __attribute__((target("arch=x86-64-v4")))
#define GK_WIDE inline __attribute__((always_inline, target("arch=x86-64-v4")))
#define GK_WIDE_LAMBDA __attribute__((always_inline, target("arch=x86-64-v4")))
namespace avx512 {
#include "search_avx512.h"
#include "search_body.h"

template <class T>
GK_AVX512 void run_nearest(const SearchInput<T>& in, int64_t group, Scratch<T>& s, T* distances, int64_t* indices) {
  if (s.size == kLanes) nearest_of_group<1>(in, group, s, distances, indices);
  else if (s.size == 2 * kLanes) nearest_of_group<2>(in, group, s, distances, indices);
  else nearest_of_group<4>(in, group, s, distances, indices);
}
template <class T> GK_AVX512 void run_count(const SearchInput<T>& in, T radius2, int64_t group, int64_t* counts) {
  count_group(in, radius2, group, counts);
}
template <class T>
GK_AVX512 void run_fill(const SearchInput<T>& in, T radius2, int64_t group, const int64_t* offsets, Found<T>& list, int64_t* indices,
                        T* distances) {
  fill_group(in, radius2, group, offsets, list, indices, distances);
}
}  // namespace avx512
#undef GK_WIDE
#undef GK_WIDE_LAMBDA

bool has_avx512() {
  static const bool has = (__builtin_cpu_init(), __builtin_cpu_supports("x86-64-v4"));
  return has;
}
// Calls the version for this machine.
#define GK_DISPATCH(function, ...) (has_avx512() ? avx512::function(__VA_ARGS__) : function(__VA_ARGS__))
#else
#define GK_DISPATCH(function, ...) function(__VA_ARGS__)
#endif

}  // namespace

template <class T> void nearest(const SearchInput<T>& in, int64_t k, T* distances, int64_t* indices) {
#pragma omp parallel if (in.queries.groups > kGroupsOfTask)
  {
    Scratch<T> scratch(k);
#pragma omp for schedule(dynamic, kGroupsOfTask)
    for (int64_t group = 0; group < in.queries.groups; ++group) {
      if (k > kMostInRegisters) run_nearest(in, group, scratch, distances, indices);
      else GK_DISPATCH(run_nearest, in, group, scratch, distances, indices);
    }
  }
}

template <class T> void radius_count(const SearchInput<T>& in, T radius2, int64_t* counts) {
#pragma omp parallel for schedule(dynamic, kGroupsOfTask) if (in.queries.groups > kGroupsOfTask)
  for (int64_t group = 0; group < in.queries.groups; ++group) GK_DISPATCH(run_count, in, radius2, group, counts);
}

template <class T>
void radius_fill(const SearchInput<T>& in, T radius2, const int64_t* offsets, int64_t* indices, T* distances) {
#pragma omp parallel if (in.queries.groups > kGroupsOfTask)
  {
    Found<T> list;
#pragma omp for schedule(dynamic, kGroupsOfTask)
    for (int64_t group = 0; group < in.queries.groups; ++group)
      GK_DISPATCH(run_fill, in, radius2, group, offsets, list, indices, distances);
  }
}

#define GK_INSTANTIATE(T)                                              \
  template void nearest(const SearchInput<T>&, int64_t, T*, int64_t*); \
  template void radius_count(const SearchInput<T>&, T, int64_t*);      \
  template void radius_fill(const SearchInput<T>&, T, const int64_t*, int64_t*, T*);
GK_INSTANTIATE(float)
GK_INSTANTIATE(double)
#undef GK_INSTANTIATE

}  // namespace gk
