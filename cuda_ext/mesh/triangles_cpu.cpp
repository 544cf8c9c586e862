#include "triangles.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/lanes.h"
#include "../cpu/parallel.h"
#include "see_pixels.h"
#include "triangle_records.h"

namespace gk {
namespace {

constexpr int kBlocks = kTile / kBlock;
constexpr int64_t kAhead = 12;              // faces whose vertices are asked for ahead of time
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

constexpr int64_t kFar = int64_t(1) << 30;  // more than an edge function changes within a block

// The lanes of a block whose centres are inside all three edges and nearer than what is there take the triangle.
template <class T> GK_INLINE void draw_block(const BitLanes<T>& outside, const Lanes<T>& now, const BitLanes<T>& id, T* closeness, Bits<T>* ids) {
  const Lanes<T> old = load(closeness), behind = old - now;
  BitLanes<T> nearer, old_ids;
  std::memcpy(&nearer, &behind.v, sizeof(nearer));
  std::memcpy(&old_ids, ids, sizeof(old_ids));
  const BitLanes<T> refused = outside | ~nearer;  // the sign bit: outside, or old - now is not negative
  store(closeness, wrap<T>(refused < 0 ? old.v : now.v));
  const BitLanes<T> kept = refused < 0 ? old_ids : id;
  std::memcpy(ids, &kept, sizeof(kept));
}

template <class T> void clear(TileBuffer<T>& buffer) {
  std::fill_n(&buffer.closeness[0][0], kTile * kTile, T(0));
  std::fill_n(&buffer.ids[0][0], kTile * kTile, Bits<T>(-1));
}

// Draws one triangle into one tile. Of a small triangle every edge function fits the lanes; elsewhere blocks outside are
// left out, and values cut to what does not change their sign within a block.
template <class T, bool kIsSmall>
GK_INLINE void draw(const TriangleRecord<T>& r, int bits, int tile_x, int tile_y, const BitLanes<T>& column, const BitLanes<T>& row,
                    const Lanes<T>& columns, const Lanes<T>& rows, TileBuffer<T>& buffer) {
  using V = BitLanes<T>;
  using E = typename std::conditional<kIsSmall, Bits<T>, int64_t>::type;
  const int left = std::max(r.left - tile_x, 0) / kBlock, right = std::min(r.right - tile_x, kTile - 1) / kBlock;
  const int top = std::max(r.top - tile_y, 0) / kBlock, bottom = std::min(r.bottom - tile_y, kTile - 1) / kBlock;
  const int first_x = tile_x + left * kBlock, first_y = tile_y + top * kBlock;
  E start[3], step_x[3], step_y[3], growth[3];
  V within[3];
  for (int k = 0; k < 3; ++k) {
    const RecordEdge edge = edge_of(r, k, bits, first_x, first_y);
    start[k] = E(edge.at), step_x[k] = E(edge.a * kBlock), step_y[k] = E(edge.b * kBlock);
    growth[k] = E((edge.a > 0 ? 3 * edge.a : 0) + (edge.b > 0 ? 3 * edge.b : 0));
    within[k] = column * (V{} + Bits<T>(edge.a)) + row * (V{} + Bits<T>(edge.b));
  }
  const Lanes<T> slope = columns * r.closeness_x + rows * r.closeness_y;
  const V id = V{} + Bits<T>(r.id);
  const T block_step = r.closeness_x * T(kBlock), first_column = r.closeness_x * T(first_x - r.left);
  for (int y = top; y <= bottom; ++y) {
    E e0 = start[0], e1 = start[1], e2 = start[2];
    const T row_start = r.closeness + r.closeness_y * T(tile_y + y * kBlock - r.top) + first_column;
    const int first = y * kBlocks;
    for (int x = left; x <= right; ++x, e0 += step_x[0], e1 += step_x[1], e2 += step_x[2]) {
      V outside;
      if constexpr (kIsSmall) {
        outside = (within[0] + e0) | (within[1] + e1) | (within[2] + e2);
      } else {
        if (((e0 + growth[0]) | (e1 + growth[1]) | (e2 + growth[2])) < 0) continue;
        const auto cut = [](int64_t e) GK_INLINE_LAMBDA { return Bits<T>(std::max(-kFar, std::min(e, kFar))); };
        outside = (within[0] + cut(e0)) | (within[1] + cut(e1)) | (within[2] + cut(e2));
      }
      draw_block<T>(outside, slope + (row_start + block_step * T(x - left)), id, buffer.closeness[first + x], buffer.ids[first + x]);
    }
    for (int k = 0; k < 3; ++k) start[k] += step_y[k];
  }
}

template <class T> GK_INLINE void draw_list(const TriangleRecord<T>* records, const int32_t* list, int64_t count, int bits, int tile_x, int tile_y,
                                            TileBuffer<T>& buffer) {
  Bits<T> in_column[kLanes], in_row[kLanes];
  for (int i = 0; i < kLanes; ++i) in_column[i] = i % kBlock, in_row[i] = i / kBlock;
  BitLanes<T> column, row;
  std::memcpy(&column, in_column, sizeof(column)), std::memcpy(&row, in_row, sizeof(row));
  const Lanes<T> columns = wrap<T>(__builtin_convertvector(column, typename Lanes<T>::Vector));
  const Lanes<T> rows = wrap<T>(__builtin_convertvector(row, typename Lanes<T>::Vector));
  for (int64_t i = 0; i < count; ++i) {
    if (i + 12 < count) __builtin_prefetch(records + list[i + 12]);
    const TriangleRecord<T>& r = records[list[i]];
    if (r.small) draw<T, true>(r, bits, tile_x, tile_y, column, row, columns, rows, buffer);
    else draw<T, false>(r, bits, tile_x, tile_y, column, row, columns, rows, buffer);
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
  const unsigned left = unsigned(r.left) / kTile, right = unsigned(r.right) / kTile, bottom = unsigned(r.bottom) / kTile;
  for (unsigned y = unsigned(r.top) / kTile; y <= bottom; ++y)
    for (unsigned x = left; x <= right; ++x) visit(y * columns + x);
}

// Returns the first face that names a vertex that is not there, or -1.
template <class T> GK_INLINE int64_t record_faces(const TriangleInput<T>& in, const ScreenGrid& grid, const ScreenVertex<T>* screen, int64_t begin,
                                                  int64_t end, int64_t columns, Chunk<T>& chunk) {
  int64_t count = 0;
  ClipRoom<T> room;
  for (int64_t f = begin; f < end; ++f) {
    const int64_t* corner = in.corners + 3 * f;
    if (f + kAhead < end)
      for (int k = 0; k < 3; ++k) __builtin_prefetch(screen + corner[3 * kAhead + k]);  // a wrong index is only asked for
    const uint64_t largest = std::max(uint64_t(corner[0]), std::max(uint64_t(corner[1]), uint64_t(corner[2])));
    if (largest >= uint64_t(in.vertices)) return f;
    int64_t turned[3];
    turn_corners(corner, turned);
    const ScreenVertex<T>* const at[3] = {screen + turned[0], screen + turned[1], screen + turned[2]};
    int made;
    if ((at[0]->state | at[1]->state | at[2]->state) == kUsable)
      made = make_record(in, grid, *at[0], *at[1], *at[2], int32_t(f), chunk.records[count]);
    else made = clip_face(in, grid, turned, at, int32_t(f), room, chunk.records + count);
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
        tiles_(columns_ * rows_), buffers_(tiles_), begun_(tiles_, 0), screen_(in.vertices), chunks_(kChunksAtOnce), in_tile_(kChunksAtOnce * tiles_) {}

  int64_t run(const TriangleOutput<T>& out) {
    place_vertices();
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
        if (starts[t + 1] > starts[t]) {
          if (!begun_[t]) clear(buffers_[t]), begun_[t] = 1;
          draw_tile(records_.data(), lists_.data() + starts[t], starts[t + 1] - starts[t], grid_.bits, int(t % columns_) * kTile,
                    int(t / columns_) * kTile, buffers_[t]);
        }
    }
    return end;
  }

  void resolve(const TriangleOutput<T>& out) const;

  TriangleInput<T> in_;
  ScreenGrid grid_;
  int64_t columns_, rows_, tiles_;
  AlignedVector<TileBuffer<T>> buffers_;
  std::vector<char> begun_;  // (tiles,) whether anything has been drawn into the tile's buffer
  AlignedVector<ScreenVertex<T>> screen_;
  std::vector<Chunk<T>> chunks_;
  std::vector<int32_t> in_tile_;
  AlignedVector<TriangleRecord<T>> records_;
  AlignedVector<int32_t> lists_;
  bool clipped_ = false;
};

// Row after row: the ids from the tiles' buffers, then what is seen there.
template <class T> void Drawing<T>::resolve(const TriangleOutput<T>& out) const {
#pragma omp parallel for schedule(dynamic, 4) if (in_.width * in_.height > kParallelWork)
  for (int64_t y = 0; y < in_.height; ++y) {
    int64_t* ids = out.face_ids + y * in_.width;
    for (int64_t column = 0; column < columns_; ++column) {
      const int64_t first = column * kTile, count = std::min<int64_t>(kTile, in_.width - first), t = y / kTile * columns_ + column;
      if (!begun_[t]) {
        std::fill_n(ids + first, count, int64_t(-1));
        continue;
      }
      const Bits<T>(*blocks)[kLanes] = buffers_[t].ids + y % kTile / kBlock * kBlocks;
      const int64_t in_block = y % kBlock * kBlock;
      for (int64_t x = 0; x < count; ++x) ids[first + x] = blocks[x / kBlock][in_block + x % kBlock];
    }
    see_row(in_, out, y);
  }
}

}  // namespace

template <class T> int64_t draw_scratch(const TriangleInput<T>&) { return 0; }
template <class T> void draw_triangles(const TriangleInput<T>& in, const TriangleOutput<T>& out) {
  const int64_t wrong = Drawing<T>(in).run(out);
  *out.wrong = wrong < 0 ? in.faces : wrong;
}

template int64_t draw_scratch(const TriangleInput<float>&);
template int64_t draw_scratch(const TriangleInput<double>&);
template void draw_triangles(const TriangleInput<float>&, const TriangleOutput<float>&);
template void draw_triangles(const TriangleInput<double>&, const TriangleOutput<double>&);

}  // namespace gk
