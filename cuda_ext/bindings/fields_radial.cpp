// Bindings of sums of radial kernels.
#include <algorithm>

#include "../fields/radial.h"

#include "arrays.h"

namespace {

gk::PairLists lists_of(const Longs& offsets, const Ids& ids, int64_t lists) {
  const int64_t* first = GK_DATA(offsets, lists + 1);
#ifndef GK_CUDA
  if (first[lists] != int64_t(ids.size())) throw std::invalid_argument("the pairs are those of other points or kernels");
#endif
  return {first, ids.data(), int64_t(ids.size())};
}

// The parts of a row take multiples of so many values.
#ifdef GK_CUDA
constexpr int64_t kRoom = gk::quads(1);
#else
constexpr int64_t kRoom = 1;
#endif
int64_t room_of(int64_t n) { return (n + kRoom - 1) / kRoom * kRoom; }

// rows: points (N, d) or, for the kernels' gradients, followed by the gradient by the outputs.
template <class T>
gk::RadialInput<T> radial_input(const Array<T>& rows, const Array<T>& table, const std::optional<Array<T>>& frequencies, int64_t channels,
                                int dimension, int order, int profile, bool waves, double support, bool with_outputs) {
  if (rows.ndim() != 2 || table.ndim() != 2) throw std::invalid_argument("rows and table have two axes");
  if (dimension < 1 || dimension > 3 || order < 0 || order > 2 || profile < 0 || profile > int(gk::Profile::kHat))
    throw std::invalid_argument("no such dimension, order or profile");
  gk::RadialInput<T> in{};
  in.queries = int64_t(rows.shape(0)), in.kernels = int64_t(table.shape(0)), in.channels = channels;
  in.dimension = dimension, in.order = order, in.profile = gk::Profile(profile), in.waves = waves;
  in.support2 = T(support * support), in.table = table.data(), in.rows = rows.data();
  if (in.kernels < 1 || in.channels < 1) throw std::invalid_argument("there must be a kernel and a channel");
  if (in.profile == gk::Profile::kHat && (waves || order > 1))
    throw std::invalid_argument("the hat has neither waves nor a Laplacian");
  in.frequencies = GK_DATA_OR_NULL(frequencies, in.channels);
  if (int64_t(table.shape(1)) != room_of(in.shape_width()) + room_of(channels)) throw std::invalid_argument("table has another number of columns");
  if (int64_t(rows.shape(1)) != (with_outputs ? room_of(dimension) + in.parts() * room_of(channels) : dimension))
    throw std::invalid_argument("rows have another number of columns");
  if (std::max(in.queries * (dimension + in.outputs()), in.kernels * in.width()) >= int64_t(1) << 31)
    throw std::invalid_argument("too many values to number in 32 bits");
  return in;
}

template <class T> void bind_sums(nb::module_& m) {
  define(m, "radial_sum", [](Array<T> x, Array<T> table, std::optional<Array<T>> frequencies, int64_t channels, int dimension, int order,
                             int profile, bool waves, double support, Longs offsets, Ids ids, Ids neighbours, Output<T> out) {
    const auto in = radial_input(x, table, frequencies, channels, dimension, order, profile, waves, support, false);
    const auto pairs = lists_of(offsets, ids, in.queries);
    [[maybe_unused]] const int32_t* n = GK_DATA(neighbours, in.queries);
    T* o = GK_DATA(out, in.queries * in.outputs());
    nb::gil_scoped_release release;
#ifdef GK_CUDA
    gk::cuda::radial_sum(in, pairs, n, o);
#else
    gk::radial_sum(in, pairs, o);
#endif
  });
  define(m, "radial_queries_backward",
         [](Array<T> x, Array<T> table, std::optional<Array<T>> frequencies, int64_t channels, int dimension, int order, int profile,
            bool waves, double support, Longs offsets, Ids ids, Ids neighbours, Array<T> out_bar, Output<T> x_bar) {
           const auto in = radial_input(x, table, frequencies, channels, dimension, order, profile, waves, support, false);
           const auto pairs = lists_of(offsets, ids, in.queries);
           [[maybe_unused]] const int32_t* n = GK_DATA(neighbours, in.queries);
           const T* bar = GK_DATA(out_bar, in.queries * in.outputs());
           T* o = GK_DATA(x_bar, in.queries * in.dimension);
           nb::gil_scoped_release release;
#ifdef GK_CUDA
           gk::cuda::radial_queries_backward(in, pairs, n, bar, o);
#else
           gk::radial_queries_backward(in, pairs, bar, o);
#endif
         });
  // On the GPU, after `shapes`: the pairs of a piece, the starts of the kernels' pieces, and room for their sums.
  define(m, "radial_kernels_backward",
         [](Array<T> rows, Array<T> table, std::optional<Array<T>> frequencies, int64_t channels, int dimension, int order, int profile,
            bool waves, double support, Longs offsets, Ids ids, bool shapes,
#ifdef GK_CUDA
            int64_t length, Longs starts, Output<T> partial,
#endif
            Output<T> table_bar) {
           const auto in = radial_input(rows, table, frequencies, channels, dimension, order, profile, waves, support, true);
           const auto pairs = lists_of(offsets, ids, in.kernels);
           const int64_t width = shapes ? in.width() : in.channels;
           T* o = GK_DATA(table_bar, in.kernels * width);
#ifdef GK_CUDA
           const gk::cuda::PairPieces pieces = {GK_DATA(starts, in.kernels + 1), length, in.kernels + pairs.pairs / length};
           T* p = GK_DATA(partial, pieces.most * width);
           nb::gil_scoped_release release;
           gk::cuda::radial_kernels_backward(in, pairs, pieces, shapes, p, o);
#else
           nb::gil_scoped_release release;
           gk::radial_kernels_backward(in, pairs, shapes, o);
#endif
         });
}

}  // namespace

void GK_BIND(fields_radial)(nb::module_& m) {
  bind_sums<float>(m), bind_sums<double>(m);
  define(m, "radial_room", [] { return kRoom; });
}
