// Bindings of the searches among points.
#include "../neighbors/farthest.h"
#include "../neighbors/search.h"
#include "../neighbors/tree.h"
#include "../neighbors/voxels.h"

#include "arrays.h"

namespace {

constexpr int64_t kMostPoints = 2147483647;
constexpr int64_t kWidth = kernels::kTreeWidth;

gk::TreeSizes sizes_of(int64_t points) {
  if (points > kMostPoints) throw std::invalid_argument("a tree holds at most 2147483647 points");
  return kernels::tree_sizes(points);
}

template <class T>
gk::PointTree<T> tree_of(int64_t points, const Array<T>& leaf_points, const Ids& leaf_ids, const Array<T>& boxes, const Ids& first_ids,
                         const Ids& children) {
  const auto sizes = sizes_of(points);
  return {points, sizes, GK_DATA(leaf_points, sizes.leaves * 3 * kWidth), GK_DATA(leaf_ids, sizes.leaves * kWidth),
          GK_DATA(boxes, sizes.nodes * 6 * kWidth), GK_DATA(first_ids, sizes.nodes * kWidth), GK_DATA(children, sizes.nodes * 2)};
}

template <class T>
gk::SearchInput<T> search_input(const gk::PointTree<T>& tree, int64_t queries, const Array<T>& query_points, const Ids& query_ids,
                                bool exclude_self) {
  const int64_t groups = sizes_of(queries).leaves;
  if (exclude_self && queries != tree.points) throw std::invalid_argument("a self-query has as many queries as points");
  return {tree, {groups, GK_DATA(query_points, groups * 3 * kWidth), GK_DATA(query_ids, groups * kWidth)}, exclude_self};
}

template <class T>
gk::PointTreeOutput<T> tree_output(int64_t points, const Output<T>& leaf_points, const IdsOut& leaf_ids, const Output<T>& boxes,
                                   const IdsOut& first_ids, const IdsOut& children) {
  const auto sizes = sizes_of(points);
  return {GK_DATA(leaf_points, sizes.leaves * 3 * kWidth), GK_DATA(leaf_ids, sizes.leaves * kWidth),
          GK_DATA(boxes, sizes.nodes * 6 * kWidth), GK_DATA(first_ids, sizes.nodes * kWidth), GK_DATA(children, sizes.nodes * 2)};
}

void check_samples(int64_t points, int64_t start, int64_t count) {
  if (start < 0 || start >= points || count < 1 || count > points)
    throw std::invalid_argument("start and the number of samples must be within the points");
}

template <class T> void bind_search(nb::module_& m) {
  define(m, "nearest", [](int64_t points, Array<T> leaf_points, Ids leaf_ids, Array<T> boxes, Ids first_ids, Ids children, int64_t queries,
                          Array<T> query_points, Ids query_ids, bool exclude_self, int64_t k, Output<T> distances, LongsOut indices) {
    const auto tree = tree_of<T>(points, leaf_points, leaf_ids, boxes, first_ids, children);
    const auto in = search_input<T>(tree, queries, query_points, query_ids, exclude_self);
    if (k < 1 || k > points - exclude_self) throw std::invalid_argument("k must be at least 1 and at most the number of other points");
    T* d = GK_DATA(distances, queries * k);
    int64_t* i = GK_DATA(indices, queries * k);
    nb::gil_scoped_release release;
    kernels::nearest(in, k, d, i);
  });
  define(m, "radius_count", [](int64_t points, Array<T> leaf_points, Ids leaf_ids, Array<T> boxes, Ids first_ids, Ids children,
                               int64_t queries, Array<T> query_points, Ids query_ids, bool exclude_self, double radius2,
                               LongsOut counts) {
    const auto tree = tree_of<T>(points, leaf_points, leaf_ids, boxes, first_ids, children);
    const auto in = search_input<T>(tree, queries, query_points, query_ids, exclude_self);
    int64_t* c = GK_DATA(counts, queries);
    nb::gil_scoped_release release;
    kernels::radius_count(in, T(radius2), c);
  });
  define(m, "radius_fill", [](int64_t points, Array<T> leaf_points, Ids leaf_ids, Array<T> boxes, Ids first_ids, Ids children,
                              int64_t queries, Array<T> query_points, Ids query_ids, bool exclude_self, double radius2, Longs offsets,
                              LongsOut indices, Output<T> distances) {
    const auto tree = tree_of<T>(points, leaf_points, leaf_ids, boxes, first_ids, children);
    const auto in = search_input<T>(tree, queries, query_points, query_ids, exclude_self);
    const int64_t* o = GK_DATA(offsets, queries + 1);
#ifdef GK_CUDA
    const int64_t total = int64_t(indices.size());  // the offsets cannot be read here
#else
    const int64_t total = o[queries];
#endif
    int64_t* i = GK_DATA(indices, total);
    T* d = GK_DATA(distances, total);
    nb::gil_scoped_release release;
    kernels::radius_fill(in, T(radius2), o, i, d);
  });
}

#ifdef GK_CUDA

// The functions of the GPU's own: they work in memory that they are given.
template <class T> void bind_others(nb::module_& m, const char* scratch_name) {
  define(m, scratch_name, [](int64_t points) {
    sizes_of(points);
    return gk::cuda::tree_scratch<T>(points);
  });
  define(m, "tree_build", [](Array<T> points, Output<uint8_t> scratch, Output<T> leaf_points, IdsOut leaf_ids, Output<T> boxes,
                             IdsOut first_ids, IdsOut children) {
    const int64_t count = int64_t(points.size()) / 3;
    const auto out = tree_output<T>(count, leaf_points, leaf_ids, boxes, first_ids, children);
    const T* p = GK_DATA(points, 3 * count);
    uint8_t* s = GK_DATA(scratch, int64_t(gk::cuda::tree_scratch<T>(count)));
    nb::gil_scoped_release release;
    gk::cuda::tree_build(p, count, out, s, scratch.size());
  });
  define(m, "radius_sort", [](Longs offsets, int64_t longest, LongsOut indices, Output<T> distances, LongsOut spare_indices,
                              Output<T> spare_distances) {
    const int64_t total = int64_t(indices.size()), spared = longest > gk::cuda::kSortedInPlace ? total : 0;
    const gk::cuda::RadiusLists<T> lists = {indices.data(), GK_DATA(distances, total)};
    const gk::cuda::RadiusLists<T> spare = {GK_DATA(spare_indices, spared), GK_DATA(spare_distances, spared)};
    nb::gil_scoped_release release;
    gk::cuda::radius_sort(int64_t(offsets.size()) - 1, offsets.data(), longest, lists, spare);
  });
  define(m, "farthest", [](Array<T> points, Array<T> leaf_points, Ids leaf_ids, Array<T> boxes, Ids first_ids, Ids children,
                           Output<T> values, IdsOut ids, int64_t start, LongsOut chosen) {
    const int64_t n = int64_t(points.size()) / 3, count = int64_t(chosen.size());
    const auto tree = tree_of<T>(n, leaf_points, leaf_ids, boxes, first_ids, children);
    const T* p = GK_DATA(points, 3 * n);
    const gk::cuda::FarthestScratch<T> scratch = {GK_DATA(values, 33 * tree.sizes.leaves + 2 * gk::cuda::kFarthestBlocks),
                                                  GK_DATA(ids, tree.sizes.leaves + 2 * gk::cuda::kFarthestBlocks)};
    check_samples(n, start, count);
    nb::gil_scoped_release release;
    gk::cuda::farthest(tree, p, start, count, chosen.data(), scratch);
  });
}

#else

template <class T> void bind_others(nb::module_& m) {
  define(m, "tree_build", [](Array<T> points, Output<T> leaf_points, IdsOut leaf_ids, Output<T> boxes, IdsOut first_ids, IdsOut children) {
    const int64_t count = int64_t(points.size()) / 3;
    const auto out = tree_output<T>(count, leaf_points, leaf_ids, boxes, first_ids, children);
    const T* p = GK_DATA(points, 3 * count);
    nb::gil_scoped_release release;
    gk::tree_build(p, count, out);
  });
  define(m, "farthest", [](Array<T> points, Array<T> leaf_points, Ids leaf_ids, Array<T> boxes, Ids first_ids, Ids children, int64_t start,
                           LongsOut chosen) {
    const int64_t n = int64_t(points.size()) / 3, count = int64_t(chosen.size());
    const auto tree = tree_of<T>(n, leaf_points, leaf_ids, boxes, first_ids, children);
    const T* p = GK_DATA(points, 3 * n);
    check_samples(n, start, count);
    int64_t* c = chosen.data();
    nb::gil_scoped_release release;
    gk::farthest(tree, p, start, count, c);
  });
}

template <class T> gk::VoxelInput<T> voxel_input(const Array<T>& points, double size) {
  const int64_t count = int64_t(points.size()) / 3;
  if (count < 1 || count > kMostPoints) throw std::invalid_argument("between 1 and 2147483647 points can be grouped");
  return {count, GK_DATA(points, 3 * count), size};
}

template <class T> void bind_voxels(nb::module_& m) {
  define(m, "voxel_bounds", [](Array<T> points, double size, Output<double> bounds) {
    const auto in = voxel_input<T>(points, size);
    double* b = GK_DATA(bounds, 6);
    nb::gil_scoped_release release;
    gk::voxel_bounds(in, b);
  });
  define(m, "voxel_groups", [](Array<T> points, double size, Array<double> bounds, LongsOut groups, LongsOut first) {
    const auto in = voxel_input<T>(points, size);
    const double* b = GK_DATA(bounds, 6);
    int64_t *g = GK_DATA(groups, in.count), *f = GK_DATA(first, in.count);
    nb::gil_scoped_release release;
    return gk::voxel_groups(in, b, g, f);
  });
}

#endif

}  // namespace

void GK_BIND(neighbors)(nb::module_& m) {
  define(m, "tree_sizes", [](int64_t points) {
    const auto sizes = sizes_of(points);
    return nb::make_tuple(sizes.leaves, sizes.nodes, kWidth);
  });
  bind_search<float>(m), bind_search<double>(m);
#ifdef GK_CUDA
  bind_others<float>(m, "tree_scratch_float32"), bind_others<double>(m, "tree_scratch_float64");
#else
  bind_others<float>(m), bind_others<double>(m);
  bind_voxels<float>(m), bind_voxels<double>(m);
#endif
}
