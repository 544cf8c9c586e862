#include "triangles.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "see_pixels.h"
#include "triangle_records.h"

namespace gk {
namespace {

constexpr int kTile = 32, kBlock = 4, kBlocks = kTile / kBlock;  // a block of 4x4 pixels is one vector
constexpr int64_t kChunk = 2048;             // faces that one task makes ready
constexpr int64_t kChunksAtOnce = 64;        // chunks whose records are held at a time
constexpr int64_t kListed = int64_t(1) << 22;  // list entries held at a time, unless one chunk makes more

template <class T> using Bits = typename BitsOf<T>::type;
template <class T> using BitLanes = typename Mask<T>::Vector;

// The depth buffer of a tile, block after block. Closeness is 1 / z, 0 where nothing has been drawn.
template <class T> struct TileBuffer {
  T closeness[kBlocks * kBlocks][kLanes];
  Bits<T> ids[kBlocks * kBlocks][kLanes];
};

template <class T> GK_INLINE void load_bits(BitLanes<T>& v, const Bits<T>* p) { std::memcpy(&v, p, sizeof(v)); }

// Draws one triangle into one tile. Inside an edge means e >= 0 with e = floor((E + bias) / one) + A i + B j exactly,
// E the edge function in grid steps squared at the first pixel's centre: a pixel further on it grows by whole A or B.
template <class T> GK_INLINE void draw(const TriangleRecord<T>& r, int bits, int tile_x, int tile_y, const BitLanes<T>& column,
                                       const BitLanes<T>& row, TileBuffer<T>& buffer) {
  using V = BitLanes<T>;
  constexpr Bits<T> kFar = Bits<T>(1) << 30;
  const int left = std::max(r.left - tile_x, 0) / kBlock, right = std::min(r.right - tile_x, kTile - 1) / kBlock;
  const int top = std::max(r.top - tile_y, 0) / kBlock, bottom = std::min(r.bottom - tile_y, kTile - 1) / kBlock;
  const int first_x = tile_x + left * kBlock, first_y = tile_y + top * kBlock;
  const int64_t half = int64_t(1) << (bits - 1), px = (int64_t(first_x) << bits) + half, py = (int64_t(first_y) << bits) + half;
  int64_t start[3], step_x[3], step_y[3], most[3];
  V within[3];
  for (int k = 0; k < 3; ++k) {
    const int n = k == 2 ? 0 : k + 1;
    const int64_t a = r.y[k] - r.y[n], b = r.x[n] - r.x[k];
    const int64_t bias = a > 0 || (a == 0 && b > 0) ? 0 : -1;  // left and top edges own the centres on them
    start[k] = (a * (px - r.x[k]) + b * (py - r.y[k]) + bias) >> bits;
    step_x[k] = a * kBlock, step_y[k] = b * kBlock;
    most[k] = (a > 0 ? 3 * a : 0) + (b > 0 ? 3 * b : 0);
    within[k] = column * (V{} + Bits<T>(a)) + row * (V{} + Bits<T>(b));
  }
  Lanes<T> columns, rows;
  columns.v = __builtin_convertvector(column, typename Lanes<T>::Vector);
  rows.v = __builtin_convertvector(row, typename Lanes<T>::Vector);
  const Lanes<T> slope = columns * r.closeness_x + rows * r.closeness_y;
  const V id = V{} + Bits<T>(r.id);
  for (int y = top; y <= bottom; ++y) {
    int64_t e0 = start[0], e1 = start[1], e2 = start[2];
    const T row_start = r.closeness + r.closeness_y * T(tile_y + y * kBlock - r.top);
    for (int x = left; x <= right; ++x, e0 += step_x[0], e1 += step_x[1], e2 += step_x[2]) {
      if (((e0 + most[0]) | (e1 + most[1]) | (e2 + most[2])) < 0) continue;
      const int64_t far = kFar, near = -kFar;
      const V inside = (within[0] + Bits<T>(std::max(near, std::min(e0, far)))) | (within[1] + Bits<T>(std::max(near, std::min(e1, far)))) |
                       (within[2] + Bits<T>(std::max(near, std::min(e2, far))));
      T* closeness = buffer.closeness[y * kBlocks + x];
      Bits<T>* ids = buffer.ids[y * kBlocks + x];
      const Lanes<T> old = load(closeness), now = slope + (row_start + r.closeness_x * T(tile_x + x * kBlock - r.left)), behind = old - now;
      V nearer, old_ids;
      std::memcpy(&nearer, &behind.v, sizeof(nearer));
      load_bits<T>(old_ids, ids);
      const V refused = inside | ~nearer;  // the sign bit: outside, or old - now is not negative
      store(closeness, wrap<T>(refused < 0 ? old.v : now.v));
      const V kept = refused < 0 ? old_ids : id;
      std::memcpy(ids, &kept, sizeof(kept));
    }
    for (int k = 0; k < 3; ++k) start[k] += step_y[k];
  }
}

template <class T> GK_INLINE void draw_list(const TriangleRecord<T>* records, const int32_t* list, int64_t count, int bits, int tile_x, int tile_y,
                                            TileBuffer<T>& buffer) {
  Bits<T> columns[kLanes], rows[kLanes];
  for (int i = 0; i < kLanes; ++i) columns[i] = i % kBlock, rows[i] = i / kBlock;
  BitLanes<T> column, row;
  load_bits<T>(column, columns), load_bits<T>(row, rows);
  for (int64_t i = 0; i < count; ++i) {
    if (i + 8 < count) __builtin_prefetch(records + list[i + 8]);
    draw(records[list[i]], bits, tile_x, tile_y, column, row, buffer);
  }
}

template <class T> GK_INLINE int32_t place_range(const TriangleInput<T>& in, const ScreenGrid& grid, ScreenVertex<T>* screen, int64_t begin, int64_t end) {
  int32_t states = 0;
  for (int64_t i = begin; i < end; ++i) {
    screen[i] = to_screen(in, grid, in.points + 3 * i);
    states |= screen[i].state;
  }
  return states;
}

// What a chunk of faces leaves to be drawn.
template <class T> struct Chunk {
  TriangleRecord<T>* records;
  int64_t count;
  int32_t* in_tile;  // (tiles,) records that touch each
};

template <class T, class Visit> GK_INLINE void visit_tiles(const TriangleRecord<T>& r, int64_t columns, Visit visit) {
  for (int y = r.top / kTile; y <= r.bottom / kTile; ++y)
    for (int x = r.left / kTile; x <= r.right / kTile; ++x) visit(y * columns + x);
}

// Returns the first face that names a vertex that is not there, or -1.
template <class T> GK_INLINE int64_t record_faces(const TriangleInput<T>& in, const ScreenGrid& grid, const ScreenVertex<T>* screen, int64_t begin,
                                                  int64_t end, int64_t columns, Chunk<T>& chunk) {
  int64_t count = 0;
  for (int64_t f = begin; f < end; ++f) {
    const int64_t* corner = in.corners + 3 * f;
    const uint64_t largest = std::max(uint64_t(corner[0]), std::max(uint64_t(corner[1]), uint64_t(corner[2])));
    if (largest >= uint64_t(in.vertices)) return f;
    // Begun at the smallest index, so that two faces with the same corners have the same bits of depth.
    const int s = corner[0] < corner[1] ? (corner[0] < corner[2] ? 0 : 2) : (corner[1] < corner[2] ? 1 : 2);
    const ScreenVertex<T>*a = screen + corner[s], *b = screen + corner[(s + 1) % 3], *c = screen + corner[(s + 2) % 3];
    int made;
    if ((a->state | b->state | c->state) == kUsable) made = make_record(in, grid, a, b, c, int32_t(f), chunk.records[count]);
    else made = clip_face(in, grid, corner, screen, int32_t(f), chunk.records + count);
    for (; made; --made, ++count)
      visit_tiles(chunk.records[count], columns, [&](int64_t t) GK_INLINE_LAMBDA { ++chunk.in_tile[t]; });
  }
  chunk.count = count;
  return -1;
}

#define GK_INSTANTIATE(T, ATTRIBUTES)                                                                                                \
  ATTRIBUTES void draw_tile(const TriangleRecord<T>* records, const int32_t* list, int64_t count, int bits, int x, int y, TileBuffer<T>& b) { \
    draw_list(records, list, count, bits, x, y, b);                                                                                  \
  }                                                                                                                                  \
  ATTRIBUTES int32_t place(const TriangleInput<T>& in, const ScreenGrid& grid, ScreenVertex<T>* screen, int64_t begin, int64_t end) {       \
    return place_range(in, grid, screen, begin, end);                                                                                \
  }                                                                                                                                  \
  ATTRIBUTES int64_t record(const TriangleInput<T>& in, const ScreenGrid& grid, const ScreenVertex<T>* screen, int64_t begin, int64_t end,  \
                            int64_t columns, Chunk<T>& chunk) {                                                                      \
    return record_faces(in, grid, screen, begin, end, columns, chunk);                                                               \
  }
GK_INSTANTIATE(float, GK_MULTIVERSION)
GK_INSTANTIATE(double, )
#undef GK_INSTANTIATE

template <class T> class Drawing {
 public:
  Drawing(const TriangleInput<T>& in)
      : in_(in), grid_(make_grid(in.width, in.height)), columns_((in.width + kTile - 1) / kTile), rows_((in.height + kTile - 1) / kTile),
        tiles_(columns_ * rows_), buffers_(tiles_), screen_(in.vertices), chunks_(kChunksAtOnce), in_tile_(kChunksAtOnce * tiles_) {}

  int64_t run(const TriangleOutput<T>& out) {
    place_vertices();
#pragma omp parallel for schedule(static) if (in_.width * in_.height > kParallelWork)
    for (int64_t t = 0; t < tiles_; ++t) std::memset(&buffers_[t], 0, sizeof(buffers_[t])), std::fill_n(&buffers_[t].ids[0][0], kTile * kTile, Bits<T>(-1));
    for (int64_t first = 0; first < in_.faces; first += kChunk * kChunksAtOnce) {
      const int64_t bad = draw_faces(first, std::min(in_.faces, first + kChunk * kChunksAtOnce));
      if (bad >= 0) return bad;
    }
    resolve(out);
    return -1;
  }

 private:
  void place_vertices() {
    int32_t states = 0;
#pragma omp parallel for schedule(static) reduction(| : states) if (in_.vertices * 8 > kParallelWork)
    for (int64_t begin = 0; begin < in_.vertices; begin += kChunk)
      states |= place(in_, grid_, screen_.data(), begin, std::min(begin + kChunk, in_.vertices));
    clipped_ = states != kUsable;
  }

  // How many records the faces may make at most.
  int64_t capacity(int64_t begin, int64_t end) const {
    if (!clipped_) return end - begin;
    int64_t count = 0;
    for (int64_t i = 3 * begin; i < 3 * end; i += 3) {
      int32_t states = 0;
      for (int k = 0; k < 3; ++k)
        if (uint64_t(in_.corners[i + k]) < uint64_t(in_.vertices)) states |= screen_[in_.corners[i + k]].state;
      count += states == kUsable ? 1 : kMostPieces;
    }
    return count;
  }

  int64_t draw_faces(int64_t begin, int64_t end) {
    const int64_t chunks = (end - begin + kChunk - 1) / kChunk;
    std::vector<int64_t> starts(chunks + 1, 0), bad(chunks, -1);
    for (int64_t c = 0; c < chunks; ++c) starts[c + 1] = starts[c] + capacity(begin + c * kChunk, std::min(end, begin + (c + 1) * kChunk));
    if (int64_t(records_.size()) < starts[chunks]) records_ = AlignedVector<TriangleRecord<T>>(starts[chunks]);
    std::fill_n(in_tile_.begin(), chunks * tiles_, 0);
#pragma omp parallel for schedule(dynamic) if ((end - begin) * 16 > kParallelWork)
    for (int64_t c = 0; c < chunks; ++c) {
      chunks_[c] = {records_.data() + starts[c], 0, in_tile_.data() + c * tiles_};
      bad[c] = record(in_, grid_, screen_.data(), begin + c * kChunk, std::min(end, begin + (c + 1) * kChunk), columns_, chunks_[c]);
    }
    for (int64_t c = 0; c < chunks; ++c)
      if (bad[c] >= 0) return bad[c];
    for (int64_t c = 0; c < chunks;) c = draw_chunks(c, chunks);
    return -1;
  }

  // Lists and draws as many chunks as the lists may hold; returns the first chunk that is left.
  int64_t draw_chunks(int64_t begin, int64_t chunks) {
    std::vector<int64_t> starts(tiles_ + 1, 0);
    int64_t end = begin, listed = 0;
    while (end < chunks) {
      int64_t more = 0;
      for (int64_t t = 0; t < tiles_; ++t) more += chunks_[end].in_tile[t];
      if (end > begin && listed + more > kListed) break;
      listed += more, ++end;
    }
    if (!listed) return end;
    // From here on in_tile is the place in the list that the next record takes.
    int64_t place = 0;
    for (int64_t t = 0; t < tiles_; ++t) {
      starts[t] = place;
      for (int64_t c = begin; c < end; ++c) {
        const int32_t count = chunks_[c].in_tile[t];
        chunks_[c].in_tile[t] = int32_t(place), place += count;
      }
    }
    starts[tiles_] = place;
    if (int64_t(lists_.size()) < place) lists_ = AlignedVector<int32_t>(place);
#pragma omp parallel if (listed * 16 > kParallelWork)
    {
#pragma omp for schedule(dynamic)
      for (int64_t c = begin; c < end; ++c) {
        const int64_t first = chunks_[c].records - records_.data();
        for (int64_t i = 0; i < chunks_[c].count; ++i)
          visit_tiles(chunks_[c].records[i], columns_, [&](int64_t t) { lists_[chunks_[c].in_tile[t]++] = int32_t(first + i); });
      }
#pragma omp for schedule(dynamic)
      for (int64_t t = 0; t < tiles_; ++t)
        if (starts[t + 1] > starts[t])
          draw_tile(records_.data(), lists_.data() + starts[t], starts[t + 1] - starts[t], grid_.bits, int(t % columns_) * kTile,
                    int(t / columns_) * kTile, buffers_[t]);
    }
    return end;
  }

  void resolve(const TriangleOutput<T>& out) const;

  TriangleInput<T> in_;
  ScreenGrid grid_;
  int64_t columns_, rows_, tiles_;
  AlignedVector<TileBuffer<T>> buffers_;
  AlignedVector<ScreenVertex<T>> screen_;
  std::vector<Chunk<T>> chunks_;
  std::vector<int32_t> in_tile_;
  AlignedVector<TriangleRecord<T>> records_;
  AlignedVector<int32_t> lists_;
  bool clipped_ = false;
};

template <class T> void Drawing<T>::resolve(const TriangleOutput<T>& out) const {
#pragma omp parallel for schedule(static) if (in_.width * in_.height > kParallelWork)
  for (int64_t y = 0; y < in_.height; ++y)
    for (int64_t x = 0; x < in_.width; ++x) {
      const TileBuffer<T>& buffer = buffers_[(y / kTile) * columns_ + x / kTile];
      out.face_ids[y * in_.width + x] = buffer.ids[(y % kTile) / kBlock * kBlocks + (x % kTile) / kBlock][y % kBlock * kBlock + x % kBlock];
    }
  see_pixels(in_, out);
}

}  // namespace

template <class T> int64_t draw_triangles(const TriangleInput<T>& in, const TriangleOutput<T>& out) { return Drawing<T>(in).run(out); }

template int64_t draw_triangles(const TriangleInput<float>&, const TriangleOutput<float>&);
template int64_t draw_triangles(const TriangleInput<double>&, const TriangleOutput<double>&);

}  // namespace gk
