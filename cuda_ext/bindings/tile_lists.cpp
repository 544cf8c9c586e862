// Bindings of the tile lists on the GPU.
#include "../splatting/tile_lists.h"

#include "bin_input.h"

namespace {

using Bytes = Output<uint8_t>;

void check_scratch(const Bytes& scratch, size_t bytes) {
  if (scratch.size() < bytes) throw std::invalid_argument("scratch must hold at least " + std::to_string(bytes) + " bytes");
}

template <class T> void bind_order(nb::module_& m) {
  using KeysOut = Output<std::make_signed_t<gk::cuda::DepthKey<T>>>;
  define(m, "order_splats", [](Array<T> means2d, Array<T> conics, Array<T> depths, Array<T> amplitudes, int64_t width, int64_t height,
                               IdsOut counts, KeysOut keys, IdsOut ids, IdsOut other_ids, LongsOut starts, Bytes scratch) {
    const auto in = bin_input<T>(means2d, conics, depths, amplitudes, width, height);
    const int64_t n = in.splats;
    check_scratch(scratch, gk::cuda::order_scratch<T>(n));
    const gk::cuda::SplatOrder<T> out = {GK_DATA(counts, n), reinterpret_cast<gk::cuda::DepthKey<T>*>(GK_DATA(keys, 2 * n)),
                                         {GK_DATA(ids, n), GK_DATA(other_ids, n)}, GK_DATA(starts, n + 1), scratch.data()};
    nb::gil_scoped_release release;
    return gk::cuda::order_splats(in, out);
  });
}

template <class T, class Key> void bind_lists(nb::module_& m) {
  define(m, "make_lists", [](Array<T> means2d, Array<T> conics, Array<T> depths, Array<T> amplitudes, int64_t width, int64_t height,
                             Ids order, Longs starts, int bits, std::optional<LongsOut> needed, Output<std::make_signed_t<Key>> keys,
                             IdsOut values, IdsOut other_values, IdsOut offsets, std::optional<IdsOut> first_slots,
                             std::optional<IdsOut> ids_of_slots, Bytes scratch) {
    const auto in = bin_input<T>(means2d, conics, depths, amplitudes, width, height);
    const int64_t n = in.splats, capacity = int64_t(values.size()), tiles = gk::tile_columns(width) * gk::tile_rows(height);
    if (bits < 1 || (bits <= 16) != (sizeof(Key) == 2)) throw std::invalid_argument("keys must have 16 bits where they suffice");
    if (first_slots.has_value() != ids_of_slots.has_value()) throw std::invalid_argument("first_slots and ids_of_slots go together");
    check_scratch(scratch, gk::cuda::list_scratch(n, capacity, bits));
    const gk::cuda::TileLists<Key> out = {GK_DATA(order, n), GK_DATA(starts, n + 1), capacity, bits, GK_DATA_OR_NULL(needed, 1),
                                          reinterpret_cast<Key*>(GK_DATA(keys, 2 * capacity)), {values.data(), GK_DATA(other_values, capacity)},
                                          GK_DATA(offsets, tiles + 1), GK_DATA_OR_NULL(first_slots, n + 1),
                                          GK_DATA_OR_NULL(ids_of_slots, capacity), scratch.data()};
    nb::gil_scoped_release release;
    return gk::cuda::make_lists(in, out);
  });
}

}  // namespace

void GK_BIND(tile_lists)(nb::module_& m) {
  define(m, "order_scratch", [](int64_t splats, bool doubles) {
    return doubles ? gk::cuda::order_scratch<double>(splats) : gk::cuda::order_scratch<float>(splats);
  });
  define(m, "list_scratch", [](int64_t splats, int64_t capacity, int bits) { return gk::cuda::list_scratch(splats, capacity, bits); });
  bind_order<float>(m), bind_order<double>(m);
  bind_lists<float, uint16_t>(m), bind_lists<float, uint32_t>(m), bind_lists<double, uint16_t>(m), bind_lists<double, uint32_t>(m);
}
