// What pixels or queries pull back to the corners of the faces they see, added to the vertices by a warp.
#pragma once
#include "../cuda/warp.h"

namespace gk::cuda {

constexpr int kTogether = 4;  // lanes with the same face whose sum is worth being found before it is added

// Each lane brings rows (3, kColumns) for the corners of its face, the first `columns` of which count, or no face (-1).
// sums (V, pitch). All lanes of the warp take part.
template <int kColumns, class T>
__device__ __forceinline__ void add_to_vertices(const int64_t* corners, int32_t face, const T (&rows)[3 * kColumns], int columns, int64_t pitch, T* sums) {
  static_assert(3 * kColumns <= 16, "two lanes a sum");
  const int lane = threadIdx.x % 32;
  const unsigned peers = __match_any_sync(kWholeWarp, face);
  const bool together = face >= 0 && __popc(peers) >= kTogether;
  for (unsigned leaders = __ballot_sync(kWholeWarp, together && lane == __ffs(peers) - 1); leaders; leaders &= leaders - 1) {
    const int32_t shared = __shfl_sync(kWholeWarp, face, __ffs(leaders) - 1);
    T values[16];
#pragma unroll
    for (int k = 0; k < 16; ++k) values[k] = k < 3 * kColumns && face == shared ? rows[k < 3 * kColumns ? k : 0] : T(0);
    const T total = warp_sums(values);
    const int corner = lane / 2 / kColumns, column = lane / 2 % kColumns;
    if (lane % 2 == 0 && corner < 3 && column < columns) atomicAdd(sums + pitch * corners[3 * int64_t(shared) + corner] + column, total);
  }
  if (face < 0 || together) return;
#pragma unroll
  for (int corner = 0; corner < 3; ++corner) {
    T* row = sums + pitch * corners[3 * int64_t(face) + corner];
#pragma unroll
    for (int column = 0; column < kColumns; ++column)
      if (column < columns) atomicAdd(row + column, rows[corner * kColumns + column]);
  }
}

}  // namespace gk::cuda
