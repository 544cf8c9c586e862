// The tree is made: a binary tree by the surface-area heuristic, collapsed to eight children, filled with triangles.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "../math/triangle.h"
#include "bvh_lanes.h"

namespace gk {
namespace {

constexpr int kBins = 16;
constexpr int64_t kTaskFaces = 4096;  // subtrees of fewer faces are not worth a task

// Four values, the last unused: x, y, z of a corner of a box.
template <class T> struct CornerOf;
template <> struct CornerOf<float> { typedef float Vector __attribute__((vector_size(16))); };
template <> struct CornerOf<double> { typedef double Vector __attribute__((vector_size(32))); };

template <class T> struct Box {
  using Corner = typename CornerOf<T>::Vector;
  Corner low, high;
  static Box empty() {
    const T inf = std::numeric_limits<T>::infinity();
    return {Corner{} + inf, Corner{} - inf};
  }
  void grow(const Box& other) { low = low_of(low, other.low), high = high_of(high, other.high); }
  T half_area() const {
    const Corner d = high - low;
    return d[0] < 0 ? T(0) : d[0] * d[1] + d[1] * d[2] + d[2] * d[0];
  }
};

template <class T> struct Primitive {
  Box<T> box;
  int32_t id;
  typename Box<T>::Corner centre() const { return box.low + box.high; }  // doubled
};

int64_t blocks_of(int64_t faces) { return (faces + kBvhWidth - 1) / kBvhWidth; }

template <class T> struct Builder {
  AlignedVector<Primitive<T>> primitives;
  T* boxes;
  int32_t* links;

  // A node of n faces has its 2 n - 1 descendants and itself right behind it, wherever its siblings are.
  void build(int64_t node, int64_t begin, int64_t end, int depth) {
    const int64_t count = end - begin;
    Box<T> box = Box<T>::empty(), centres = Box<T>::empty();
    for (int64_t i = begin; i < end; ++i) {
      const auto c = primitives[i].centre();
      box.grow(primitives[i].box), centres.grow({c, c});
    }
    for (int axis = 0; axis < 3; ++axis) boxes[6 * node + axis] = box.low[axis], boxes[6 * node + 3 + axis] = box.high[axis];
    if (count <= kBvhWidth) {
      links[2 * node] = ~int32_t(begin), links[2 * node + 1] = int32_t(count);
      return;
    }
    int levels = 0;
    while ((int64_t(kBvhWidth) << levels) < count) ++levels;
    const int64_t middle = depth + levels < kBvhDepth ? best_split(begin, end, centres) : halve(begin, end, centres);
    const int64_t left = node + 1, right = node + 2 * (middle - begin);
    links[2 * node] = int32_t(left), links[2 * node + 1] = int32_t(right);
#pragma omp task if (middle - begin > kTaskFaces)
    build(left, begin, middle, depth + 1);
    build(right, middle, end, depth + 1);
  }

  int64_t halve(int64_t begin, int64_t end, const Box<T>& centres) {
    const auto extent = centres.high - centres.low;
    const int axis = extent[0] >= extent[1] && extent[0] >= extent[2] ? 0 : extent[1] >= extent[2] ? 1 : 2;
    const int64_t middle = begin + kBvhWidth * (blocks_of(end - begin) / 2);
    std::nth_element(primitives.begin() + begin, primitives.begin() + middle, primitives.begin() + end,
                     [axis](const Primitive<T>& a, const Primitive<T>& b) {
                       const T ca = a.centre()[axis], cb = b.centre()[axis];
                       return ca < cb || (ca == cb && a.id < b.id);
                     });
    return middle;
  }

  int64_t best_split(int64_t begin, int64_t end, const Box<T>& centres) {
    const int bins = end - begin > 64 ? kBins : 8;
    typename Box<T>::Corner factor = {};
    for (int axis = 0; axis < 3; ++axis) {
      const T extent = centres.high[axis] - centres.low[axis];
      factor[axis] = extent > 0 ? T(bins) * T(0.999) / extent : T(0);
      if (!std::isfinite(factor[axis])) factor[axis] = 0;
    }
    Box<T> bin_boxes[3][kBins];
    int64_t counts[3][kBins] = {};
    for (auto& axis : bin_boxes)
      for (auto& box : axis) box = Box<T>::empty();
    for (int64_t i = begin; i < end; ++i) {
      const auto place = (primitives[i].centre() - centres.low) * factor;
      for (int axis = 0; axis < 3; ++axis) {
        const int bin = int(place[axis]);
        bin_boxes[axis][bin].grow(primitives[i].box), ++counts[axis][bin];
      }
    }
    T best_cost = std::numeric_limits<T>::infinity();
    int best_axis = -1, best_bin = 0;
    for (int axis = 0; axis < 3; ++axis) {
      T cost_right[kBins];
      Box<T> box = Box<T>::empty();
      int64_t count = 0;
      for (int bin = bins - 1; bin > 0; --bin) {
        box.grow(bin_boxes[axis][bin]), count += counts[axis][bin];
        cost_right[bin] = count ? box.half_area() * T(blocks_of(count)) : T(-1);
      }
      box = Box<T>::empty(), count = 0;
      for (int bin = 1; bin < bins; ++bin) {
        box.grow(bin_boxes[axis][bin - 1]), count += counts[axis][bin - 1];
        const T cost = box.half_area() * T(blocks_of(count)) + cost_right[bin];
        if (count && cost_right[bin] >= 0 && cost < best_cost) best_cost = cost, best_axis = axis, best_bin = bin;
      }
    }
    if (best_axis < 0) return halve(begin, end, centres);
    const T low = centres.low[best_axis], scale = factor[best_axis];
    const auto middle = std::partition(primitives.begin() + begin, primitives.begin() + end, [&](const Primitive<T>& p) {
      return int((p.centre()[best_axis] - low) * scale) < best_bin;
    });
    const int64_t at = middle - primitives.begin();
    return at == begin || at == end ? halve(begin, end, centres) : at;
  }
};

template <class T> Vec3<T> scaled_corner(const BvhMesh<T>& mesh, T scale, int64_t face, int corner) {
  const T* v = mesh.vertices + 3 * mesh.faces[3 * face + corner];
  return {v[0] * scale, v[1] * scale, v[2] * scale};
}

// Collapses the binary tree in depth-first order: visit(node, slot, binary node, child), where a child is a node or ~block.
template <class T> struct Collapse {
  const T* boxes;
  const int32_t* links;
  int64_t nodes = 0, blocks = 0;

  T half_area(int32_t node) const {
    const T* b = boxes + 6 * int64_t(node);
    const T x = b[3] - b[0], y = b[4] - b[1], z = b[5] - b[2];
    return x * y + y * z + z * x;
  }
  template <class Visit> void run(int32_t root, const Visit& visit) {
    int32_t open[kBvhWidth] = {root};
    int count = 1;
    while (count < kBvhWidth) {
      int widest = -1;
      for (int i = 0; i < count; ++i)
        if (links[2 * int64_t(open[i])] >= 0 && (widest < 0 || half_area(open[i]) > half_area(open[widest]))) widest = i;
      if (widest < 0) break;
      const int64_t at = 2 * int64_t(open[widest]);
      open[widest] = links[at], open[count++] = links[at + 1];
    }
    const int64_t node = nodes++;
    for (int slot = 0; slot < count; ++slot) {
      const bool leaf = links[2 * int64_t(open[slot])] < 0;
      visit(node, slot, open[slot], leaf ? ~int32_t(blocks++) : int32_t(nodes));
      if (!leaf) run(open[slot], visit);
    }
  }
};

template <class T> void fill_block(const BvhMesh<T>& mesh, T scale, const int32_t* faces, int count, T* block, int32_t* ids) {
  for (int lane = 0; lane < kBvhWidth; ++lane) {
    const int32_t face = faces[lane < count ? lane : 0];
    Vec3<T> corners[3];
    for (int i = 0; i < 3; ++i) corners[i] = scaled_corner(mesh, scale, face, lane < count ? i : 0);
    Vec3<double> p[3];
    for (int i = 0; i < 3; ++i) p[i] = {double(corners[i].x), double(corners[i].y), double(corners[i].z)};
    const Vec3<double> ab = p[1] - p[0], ac = p[2] - p[0], bc = p[2] - p[1], n = cross(ab, ac);
    const double bb = dot(ab, ab), cc = dot(ac, ac), bc2 = dot(bc, bc), nn = dot(n, n);
    const auto inverse = [](double x) {
      const double value = x > 0 ? 1 / x : 0;
      return value < double(std::numeric_limits<T>::max()) ? T(value) : T(0);
    };
    const auto put = [&](int row, const Vec3<double>& v) {
      block[8 * row + lane] = T(v.x), block[8 * row + 8 + lane] = T(v.y), block[8 * row + 16 + lane] = T(v.z);
    };
    for (int i = 0; i < 3; ++i) put(3 * i, p[i]);
    const Vec3<double> dual_u = (1 / nn) * cross(ac, n), dual_v = (1 / nn) * cross(n, ab), normal = (1 / std::sqrt(nn)) * n;
    const auto fits = [](const Vec3<double>& a) {
      const double size = std::abs(a.x) + std::abs(a.y) + std::abs(a.z);
      return size < double(std::numeric_limits<T>::max()) && size > 0;
    };
    const bool flat = !(nn > 0 && fits(dual_u) && fits(dual_v) && fits(normal));
    const Vec3<double> zero = {0, 0, 0};
    put(kDualU, flat ? zero : dual_u), put(kDualV, flat ? zero : dual_v), put(kNormal, flat ? zero : normal);
    block[8 * kInverseAB + lane] = inverse(bb), block[8 * kInverseAC + lane] = inverse(cc);
    block[8 * kInverseBC + lane] = inverse(bc2), block[8 * kOffsetBC + lane] = T(bb - dot(ab, ac));
    ids[lane] = face;
  }
}

}  // namespace

template <class T>
BvhCounts bvh_plan(const BvhMesh<T>& mesh, T scale, T* scratch_boxes, int32_t* scratch_links, int32_t* order) {
  Builder<T> builder;
  builder.primitives.resize(mesh.face_count);
  builder.boxes = scratch_boxes, builder.links = scratch_links;
#pragma omp parallel if (mesh.face_count > 2 * kTaskFaces)
  {
#pragma omp for schedule(static)
    for (int64_t face = 0; face < mesh.face_count; ++face) {
      Box<T> box = Box<T>::empty();
      for (int i = 0; i < 3; ++i) {
        const Vec3<T> v = scaled_corner(mesh, scale, face, i);
        const typename Box<T>::Corner corner = {v.x, v.y, v.z, T(0)};
        box.grow({corner, corner});
      }
      builder.primitives[face] = {box, int32_t(face)};
    }
#pragma omp single
    builder.build(0, 0, mesh.face_count, 0);
  }
  for (int64_t i = 0; i < mesh.face_count; ++i) order[i] = builder.primitives[i].id;
  Collapse<T> collapse = {scratch_boxes, scratch_links};
  collapse.run(0, [](int64_t, int, int32_t, int32_t) {});
  return {collapse.nodes, collapse.blocks};
}

template <class T>
void bvh_fill(const BvhMesh<T>& mesh, T scale, const T* scratch_boxes, const int32_t* scratch_links, const int32_t* order,
              T* boxes, int32_t* children, T* triangles, int32_t* face_ids) {
  std::vector<int32_t> leaves;  // the binary node of each block
  Collapse<T> collapse = {scratch_boxes, scratch_links};
  const T inf = std::numeric_limits<T>::infinity();
  collapse.run(0, [&](int64_t node, int slot, int32_t binary, int32_t child) {
    T* box = boxes + node * kBoxRows * 8;
    if (slot == 0)
      for (int i = 0; i < 8; ++i) {
        for (int row = 0; row < kBoxRows; ++row) box[8 * row + i] = inf;
        children[8 * node + i] = kNoChild;
      }
    for (int row = 0; row < kBoxRows; ++row) box[8 * row + slot] = scratch_boxes[6 * int64_t(binary) + row];
    children[8 * node + slot] = child;
    if (child < 0) leaves.push_back(binary);
  });
  const int64_t blocks = int64_t(leaves.size());
#pragma omp parallel for schedule(static) if (blocks > kTaskFaces / kBvhWidth)
  for (int64_t block = 0; block < blocks; ++block) {
    const int64_t at = 2 * int64_t(leaves[block]);
    fill_block(mesh, scale, order + ~scratch_links[at], scratch_links[at + 1], triangles + block * kTriangleRows * 8,
               face_ids + block * 8);
  }
}

template BvhCounts bvh_plan(const BvhMesh<float>&, float, float*, int32_t*, int32_t*);
template BvhCounts bvh_plan(const BvhMesh<double>&, double, double*, int32_t*, int32_t*);
template void bvh_fill(const BvhMesh<float>&, float, const float*, const int32_t*, const int32_t*, float*, int32_t*, float*,
                       int32_t*);
template void bvh_fill(const BvhMesh<double>&, double, const double*, const int32_t*, const int32_t*, double*, int32_t*,
                       double*, int32_t*);

}  // namespace gk
