// A thread makes the record of a face. It draws a few pixels itself, a small triangle with its warp, and lists a large one:
// the last kernel, a thread a pixel, holds those listed against what has been drawn, and says what is seen. Every offer to a
// pixel may come at any time, so the picture has the same bits in every run.
//
// A face costs 24 bytes of indices, its points, and for each pixel under it one look at a word or an atomic operation; a
// pixel costs that word twice and its outputs. Compiled without fused multiply-add: see triangle_records.h.
#include "../cuda/contest.h"
#include "../cuda/warp.h"
#include "../math/seen_triangle.h"
#include "pinhole.h"
#include "triangle_records.h"
#include "triangles.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kAlone = 32;                 // pixels that a thread looks at by itself
constexpr int64_t kMostListed = 1 << 14;   // large triangles; warps draw what exceeds them
constexpr int kSide = 16;                  // of the tile of pixels that a block of the last kernel sees

// The scratch: the list, how long it wants to be, and the contest for the pixels.
template <class T> struct Board {
  int64_t width;
  TriangleRecord<T>* list;
  Word* wanted;
  Contest<T> contest;

  static constexpr int64_t kListWords = kMostListed * int64_t(sizeof(TriangleRecord<T>)) / 8, kCountWords = 1;
  static int64_t words(int64_t pixels) { return kListWords + kCountWords + Contest<T>::words(pixels); }
  Board(int64_t* scratch, int64_t width, int64_t pixels)
      : width(width), list(reinterpret_cast<TriangleRecord<T>*>(scratch)), wanted(reinterpret_cast<Word*>(scratch + kListWords)),
        contest(scratch + kListWords + kCountWords, pixels) {}

  __device__ int listed() const { return int(least(int64_t(*wanted), kMostListed)); }
  // Whether the list takes the record. The second sweep asks without adding, and must draw all if some were not taken.
  __device__ bool takes(const TriangleRecord<T>& r, int sweep) const {
    if (sweep) return *wanted <= Word(kMostListed);
    const Word place = atomicAdd(wanted, Word(1));
    if (place < Word(kMostListed)) list[place] = r;
    return place < Word(kMostListed);
  }
};

// Offers the pixels of the record's box, every `step_x`-th and `step_y`-th from (from_x, from_y) on. E: int32_t holds the
// edge functions of small triangles.
template <class E, class T>
__device__ __forceinline__ void offer_box(const Board<T>& board, const TriangleRecord<T>& r, int bits, int sweep, int from_x, int from_y,
                                          int step_x, int step_y) {
  E start[3], a[3], b[3];
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    const RecordEdge edge = edge_of(r, k, bits, r.left + from_x, r.top + from_y);
    start[k] = E(edge.at), a[k] = E(edge.a * step_x), b[k] = E(edge.b * step_y);
  }
  for (int y = r.top + from_y; y <= r.bottom; y += step_y) {
    E e0 = start[0], e1 = start[1], e2 = start[2];
    for (int x = r.left + from_x; x <= r.right; x += step_x, e0 += a[0], e1 += a[1], e2 += a[2]) {
      if ((e0 | e1 | e2) < 0) continue;
      const T closeness = closeness_at(r, x, y);
      if (closeness > T(0)) board.contest.offer(sweep, y * board.width + x, rank_of(closeness), uint32_t(r.id));
    }
    for (int k = 0; k < 3; ++k) start[k] += b[k];
  }
}
template <class T>
__device__ __forceinline__ void offer(const Board<T>& board, const TriangleRecord<T>& r, int bits, int sweep, int from_x, int from_y, int step_x,
                                      int step_y) {
  if (r.small) offer_box<int32_t>(board, r, bits, sweep, from_x, from_y, step_x, step_y);
  else offer_box<int64_t>(board, r, bits, sweep, from_x, from_y, step_x, step_y);
}

// A record that the warp draws, or a face that it clips, one after the other.
template <class T> struct Turn {
  TriangleRecord<T> pieces[kMostPieces];
  int count;
  ScreenVertex<T> screen[3];
  ClipRoom<T> room;
};

template <class T>
__device__ __forceinline__ void clip(const TriangleInput<T>& in, const ScreenGrid& grid, int64_t face, const int64_t (&corners)[3], Turn<T>& turn) {
  for (int k = 0; k < 3; ++k) turn.screen[k] = to_screen(in, grid, in.points + 3 * corners[k]);
  const ScreenVertex<T>* const screen[3] = {turn.screen, turn.screen + 1, turn.screen + 2};
  turn.count = clip_face(in, grid, corners, screen, int32_t(face), turn.room, turn.pieces);
}

template <class T> __global__ void __launch_bounds__(kThreads) draw_faces(TriangleInput<T> given, ScreenGrid grid, Board<T> board, int64_t* wrong, int sweep) {
  const TriangleInput<T> in = with_intrinsics(given);
  const int64_t face = thread_index();
  const int lane = threadIdx.x % 32;
  TriangleRecord<T> r = {};
  int64_t corners[3] = {};
  bool drawn = false, cut = false;
  if (face < in.faces) {
    const int64_t* corner = in.corners + 3 * face;
    const uint64_t largest = most(uint64_t(corner[0]), most(uint64_t(corner[1]), uint64_t(corner[2])));
    if (largest < uint64_t(in.vertices)) {
      turn_corners(corner, corners);
      const ScreenVertex<T> a = to_screen(in, grid, in.points + 3 * corners[0]), b = to_screen(in, grid, in.points + 3 * corners[1]);
      const ScreenVertex<T> c = to_screen(in, grid, in.points + 3 * corners[2]);
      cut = (a.state | b.state | c.state) != kUsable;
      drawn = !cut && make_record(in, grid, a, b, c, int32_t(face), r);
    } else if (sweep == 0) {
      atomicMin(reinterpret_cast<Word*>(wrong), Word(face));
    }
  }
  if (drawn && !r.small && board.takes(r, sweep)) drawn = false;
  const int pixels = drawn ? (r.right - r.left + 1) * (r.bottom - r.top + 1) : 0;
  if (pixels && pixels <= kAlone) offer(board, r, grid.bits, sweep, 0, 0, 1, 1);

  __shared__ Turn<T> turns[kThreads / 32];
  Turn<T>& turn = turns[threadIdx.x / 32];
  for (unsigned waiting = __ballot_sync(kWholeWarp, pixels > kAlone || cut); waiting; waiting &= waiting - 1) {
    const int whose = __ffs(waiting) - 1;
    __syncwarp();
    if (lane == whose) {
      if (cut) clip(in, grid, face, corners, turn);
      else turn.count = 1, turn.pieces[0] = r;
    }
    __syncwarp();
    const bool clipped = __shfl_sync(kWholeWarp, cut, whose);
    for (int piece = 0; piece < turn.count; ++piece) {
      const TriangleRecord<T>& shared = turn.pieces[piece];
      bool listed = clipped && !shared.small && lane == 0 && board.takes(shared, sweep);
      listed = __shfl_sync(kWholeWarp, listed, 0);
      if (!listed) offer(board, shared, grid.bits, sweep, lane % 8, lane / 8, 8, 4);
    }
  }
}

template <class T> __device__ __forceinline__ SeenCorners<T> corners_of(const TriangleInput<T>& in, int64_t face) {
  const T *a = in.points + 3 * in.corners[3 * face], *b = in.points + 3 * in.corners[3 * face + 1], *c = in.points + 3 * in.corners[3 * face + 2];
  return {{a[0], a[1], a[2]}, {b[0], b[1], b[2]}, {c[0], c[1], c[2]}};
}

template <class T> __global__ void __launch_bounds__(kSide * kSide) see_pixels(TriangleInput<T> given, ScreenGrid grid, Board<T> board, TriangleOutput<T> out) {
  const TriangleInput<T> in = with_intrinsics(given);
  const int columns = (int(in.width) + kSide - 1) / kSide;
  const int left = int(blockIdx.x) % columns * kSide, top = int(blockIdx.x) / columns * kSide;
  const int x = left + int(threadIdx.x) % kSide, y = top + int(threadIdx.x) / kSide;
  const bool inside = x < in.width && y < in.height;
  const int64_t pixel = y * in.width + x;
  typename Contest<T>::Rank rank;
  uint32_t id = 0;
  T closest = T(0);
  if (inside && board.contest.best(pixel, rank, id)) closest = value_of_rank(rank);
  __shared__ int near[kSide * kSide], near_count;
  const int listed = board.listed();
  for (int first = 0; first < listed; first += kSide * kSide) {
    if (threadIdx.x == 0) near_count = 0;
    __syncthreads();
    const int i = first + int(threadIdx.x);
    if (i < listed) {
      const TriangleRecord<T>& r = board.list[i];
      if (r.left < left + kSide && r.right >= left && r.top < top + kSide && r.bottom >= top) near[atomicAdd(&near_count, 1)] = i;
    }
    __syncthreads();
    for (int k = 0; k < near_count; ++k) {
      const TriangleRecord<T>& r = board.list[near[k]];
      if ((edge_of(r, 0, grid.bits, x, y).at | edge_of(r, 1, grid.bits, x, y).at | edge_of(r, 2, grid.bits, x, y).at) < 0) continue;
      const T closeness = closeness_at(r, x, y);
      if (closeness > closest || (closeness == closest && closeness > T(0) && uint32_t(r.id) < id)) closest = closeness, id = uint32_t(r.id);
    }
    __syncthreads();
  }
  if (!inside) return;
  Seen<T> seen = {{T(0), T(0), T(0)}, T(0)};
  if (closest > T(0)) {
    const SeenCorners<T> t = corners_of(in, id);
    seen = see(t, ray_sides(t, ray_x(in, x), ray_y(in, y)));
  }
  out.face_ids[pixel] = closest > T(0) ? int64_t(id) : -1, out.depth[pixel] = seen.depth;
  T* barycentrics = out.barycentrics + 3 * pixel;
  barycentrics[0] = seen.barycentrics.x, barycentrics[1] = seen.barycentrics.y, barycentrics[2] = seen.barycentrics.z;
}

}  // namespace

template <class T> int64_t draw_scratch(const TriangleInput<T>& in) { return Board<T>::words(in.width * in.height); }

template <class T> void draw_triangles(const TriangleInput<T>& in, const TriangleOutput<T>& out) {
  const ScreenGrid grid = make_grid(in.width, in.height);
  const Board<T> board(out.scratch, in.width, in.width * in.height);
  for (int sweep = 0; sweep < Contest<T>::kSweeps; ++sweep)
    launch(draw_faces<T>, blocks_for(in.faces, kThreads), kThreads, 0, in, grid, board, out.wrong, sweep);
  launch(see_pixels<T>, blocks_for(in.width, kSide) * blocks_for(in.height, kSide), kSide * kSide, 0, in, grid, board, out);
}

template int64_t draw_scratch(const TriangleInput<float>&);
template int64_t draw_scratch(const TriangleInput<double>&);
template void draw_triangles(const TriangleInput<float>&, const TriangleOutput<float>&);
template void draw_triangles(const TriangleInput<double>&, const TriangleOutput<double>&);

}  // namespace gk::cuda
