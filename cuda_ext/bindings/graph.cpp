// Bindings of what runs along the edges of a graph.
#include "../graph/fiber_convolution.h"
#include "../graph/group.h"

#include "arrays.h"

namespace {

gk::Groups groups_of(const Longs& offsets, const Longs& order) {
  const int64_t count = int64_t(offsets.size()) - 1;
  if (count < 0) throw std::invalid_argument("offsets must hold one value more than there are groups");
#ifndef GK_CUDA
  if (offsets.data()[count] != int64_t(order.size())) throw std::invalid_argument("the groups are those of other edges");
#endif
  return {count, offsets.data(), order.data()};
}

template <class T>
gk::FiberInput<T> fiber_input(const Array<T>& features, const Array<T>& weights, const Array<T>& profiles,
                              const Longs& senders, const Longs& receivers, const Longs& rows, const Longs& order) {
  if (features.ndim() != 3 || weights.ndim() != 3) throw std::invalid_argument("features and weights have three axes");
  const int64_t edges = int64_t(order.size()), orientations = features.shape(1), channels = features.shape(2);
  const int64_t functions = weights.shape(1);
  if (int64_t(weights.shape(2)) != channels)
    throw std::invalid_argument("weights have other channels than the features");
  if (orientations < 1 || functions < 1 || channels < 1 || channels % 16)
    throw std::invalid_argument("channels must be a multiple of 16, and there must be an orientation and a function");
  return {edges, orientations, channels, functions,
          GK_DATA(senders, edges), GK_DATA(receivers, edges), GK_DATA(rows, edges),
          features.data(), weights.data(), GK_DATA(profiles, edges * orientations * functions)};
}

#ifndef GK_CUDA
template <class T> void bind_fiber_convolution(nb::module_& m) {
  define(m, "fiber_convolution", [](Array<T> features, Array<T> weights, Array<T> profiles, Longs senders,
                                    Longs receivers, Longs rows, Longs receiver_offsets, Longs receiver_order,
                                    Output<T> out) {
    const gk::Groups groups = groups_of(receiver_offsets, receiver_order);
    const auto in = fiber_input(features, weights, profiles, senders, receivers, rows, receiver_order);
    T* o = GK_DATA(out, groups.count * in.orientations * in.channels);
    nb::gil_scoped_release release;
    gk::fiber_convolution(in, groups, o);
  });
  define(m, "fiber_convolution_backward", [](Array<T> features, Array<T> weights, Array<T> profiles, Array<T> out_bar,
                                             Longs senders, Longs receivers, Longs rows, Longs row_offsets,
                                             Longs row_order, std::optional<Output<T>> weights_bar,
                                             std::optional<Output<T>> profiles_bar) {
    const gk::Groups groups = groups_of(row_offsets, row_order);
    const auto in = fiber_input(features, weights, profiles, senders, receivers, rows, row_order);
    T* w = GK_DATA_OR_NULL(weights_bar, groups.count * in.functions * in.channels);
    T* p = GK_DATA_OR_NULL(profiles_bar, int64_t(profiles.size()));
    nb::gil_scoped_release release;
    gk::fiber_convolution_backward(in, groups, out_bar.data(), w, p);
  });
}

void bind_group(nb::module_& m) {
  define(m, "group", [](Longs keys, LongsOut offsets, LongsOut order) {
    const int64_t things = int64_t(keys.size()), groups = int64_t(offsets.size()) - 1;
    int64_t* o = GK_DATA(order, things);
    if (groups < 0) throw std::invalid_argument("offsets must hold one value more than there are groups");
    nb::gil_scoped_release release;
    return gk::group(keys.data(), things, groups, offsets.data(), o);
  });
}
#else
// Loads of 16 bytes need arrays that begin at a multiple of them.
template <class T> const T* aligned(const T* data, const char* name) {
  if (reinterpret_cast<uintptr_t>(data) % 16) throw std::invalid_argument(std::string(name) + " must begin at a multiple of 16 bytes");
  return data;
}
template <class T> gk::FiberInput<T> aligned(gk::FiberInput<T> in) {
  aligned(in.features, "features"), aligned(in.weights, "weights"), aligned(in.profiles, "profiles");
  return in;
}

template <class T> void bind_fiber_convolution(nb::module_& m) {
  define(m, "fiber_convolution", [](Array<T> features, Array<T> weights, Array<T> profiles, Longs senders, Longs receivers, Longs rows,
                                    Longs receiver_offsets, Longs receiver_order, Output<T> room, Output<T> out) {
    const gk::Groups groups = groups_of(receiver_offsets, receiver_order);
    const auto in = aligned(fiber_input(features, weights, profiles, senders, receivers, rows, receiver_order));
    T* o = GK_DATA(out, groups.count * in.orientations * in.channels);
    T* r = GK_DATA(room, kernels::fiber_convolution_room(in.edges, groups.count, in.orientations, in.channels));
    nb::gil_scoped_release release;
    kernels::fiber_convolution(in, groups, r, o);
  });
  define(m, "fiber_convolution_weights", [](Array<T> features, Array<T> weights, Array<T> profiles, Array<T> out_bar, Longs senders,
                                            Longs receivers, Longs rows, Longs row_offsets, Longs row_order, Output<T> room,
                                            Output<T> weights_bar) {
    const gk::Groups groups = groups_of(row_offsets, row_order);
    const auto in = aligned(fiber_input(features, weights, profiles, senders, receivers, rows, row_order));
    const T* bar = aligned(out_bar.data(), "out_bar");
    T* w = GK_DATA(weights_bar, groups.count * in.functions * in.channels);
    T* r = GK_DATA(room, kernels::fiber_convolution_weights_room(in.edges, groups.count, in.functions, in.channels));
    nb::gil_scoped_release release;
    kernels::fiber_convolution_weights(in, groups, bar, r, w);
  });
  define(m, "fiber_convolution_profiles", [](Array<T> features, Array<T> weights, Array<T> profiles, Array<T> out_bar, Longs senders,
                                             Longs receivers, Longs rows, Output<T> profiles_bar) {
    const auto in = aligned(fiber_input(features, weights, profiles, senders, receivers, rows, rows));
    const T* bar = aligned(out_bar.data(), "out_bar");
    T* p = GK_DATA(profiles_bar, int64_t(profiles.size()));
    nb::gil_scoped_release release;
    kernels::fiber_convolution_profiles(in, bar, p);
  });
}

void bind_group(nb::module_& m) {
  define(m, "group_bytes", [](int64_t things, int64_t groups) { return kernels::group_bytes(things, groups); });
  define(m, "group", [](Longs keys, IdsOut numbers, Output<uint8_t> bytes, LongsOut offsets, LongsOut order, IdsOut wrong) {
    const int64_t things = int64_t(keys.size()), groups = int64_t(offsets.size()) - 1;
    if (groups < 0 || things > INT32_MAX || groups > INT32_MAX)
      throw std::invalid_argument("there must be fewer than 2^31 things and groups");
    const gk::cuda::GroupRoom room = {GK_DATA(numbers, 4 * things), bytes.data(), bytes.size()};
    int64_t* o = GK_DATA(order, things);
    int32_t* w = GK_DATA(wrong, 1);
    nb::gil_scoped_release release;
    kernels::group(keys.data(), things, groups, room, offsets.data(), o, w);
  });
  define(m, "fiber_convolution_room", [](int64_t edges, int64_t receivers, int64_t orientations, int64_t channels) {
    return kernels::fiber_convolution_room(edges, receivers, orientations, channels);
  });
  define(m, "fiber_convolution_weights_room", [](int64_t edges, int64_t rows, int64_t functions, int64_t channels) {
    return kernels::fiber_convolution_weights_room(edges, rows, functions, channels);
  });
}
#endif

}  // namespace

void GK_BIND(graph)(nb::module_& m) {
  bind_group(m), bind_fiber_convolution<float>(m), bind_fiber_convolution<double>(m);
}
