// Bindings of the rasterizer and of its lists.
#include <numeric>

#include "bin_input.h"
#include "raster_input.h"

namespace {

template <class T> void bind_bin(nb::module_& m) {
  define(m, "bin_count", [](Array<T> means2d, Array<T> conics, Array<T> depths, Array<T> amplitudes, int64_t width, int64_t height,
                        Output<T> reaches, IdsOut counts) {
    const auto in = bin_input<T>(means2d, conics, depths, amplitudes, width, height);
    T* r = GK_DATA(reaches, in.splats);
    int32_t* c = GK_DATA(counts, in.splats);
    nb::gil_scoped_release release;
    return gk::bin_count(in, r, c);
  });
  define(m, "bin_fill", [](Array<T> means2d, Array<T> conics, Array<T> depths, Array<T> amplitudes, int64_t width, int64_t height,
                       Array<T> reaches, Ids counts, IdsOut offsets, IdsOut entries, IdsOut first_slots) {
    const auto in = bin_input<T>(means2d, conics, depths, amplitudes, width, height);
    const int64_t n = in.splats, total = int64_t(entries.size()) / 3;
    const T* r = GK_DATA(reaches, n);
    const int32_t* c = GK_DATA(counts, n);
    int32_t *o = GK_DATA(offsets, gk::tile_columns(width) * gk::tile_rows(height) + 1), *f = GK_DATA(first_slots, n + 1);
    auto* list = reinterpret_cast<gk::Entry*>(GK_DATA(entries, 3 * total));
    if (std::accumulate(c, c + n, int64_t(0)) != total) throw std::invalid_argument("entries must hold as many rows as counts say");
    nb::gil_scoped_release release;
    gk::bin_fill(in, r, c, o, list, f);
  });
}

const gk::Entry* entries_of(const Ids& entries) { return reinterpret_cast<const gk::Entry*>(entries.data()); }

template <class T> void bind_rasterize(nb::module_& m) {
  define(m, "rasterize_forward",
        [](Array<T> means2d, Array<T> conics, Array<T> opacities, Array<T> features, Array<T> waves, Array<T> background,
           Ids offsets, Ids entries, int64_t width, int64_t height, Output<T> image, Output<T> transmittance,
           std::optional<IdsOut> median_ids, std::optional<LongsOut> pairs) {
          const auto in = raster_input<T>(means2d, conics, opacities, features, waves, background, offsets, entries_of(entries), width, height);
          const gk::RasterOutput<T> out = {GK_DATA(image, width * height * in.channels), GK_DATA(transmittance, width * height),
                                           GK_DATA_OR_NULL(median_ids, width * height),
                                           GK_DATA_OR_NULL(pairs, gk::tile_columns(width) * gk::tile_rows(height))};
          nb::gil_scoped_release release;
          gk::rasterize_forward(in, out);
        });
  define(m, "rasterize_backward",
        [](Array<T> means2d, Array<T> conics, Array<T> opacities, Array<T> features, Array<T> waves, Array<T> background,
           Ids offsets, Ids entries, int64_t width, int64_t height, Ids first_slots, Array<T> image_bar,
           Array<T> transmittance_bar, Output<T> rows, Output<T> means2d_bar, Output<T> conics_bar, Output<T> opacities_bar,
           Output<T> features_bar, Output<T> waves_bar, std::optional<Output<T>> absolute) {
          const auto in = raster_input<T>(means2d, conics, opacities, features, waves, background, offsets, entries_of(entries), width, height);
          const int64_t n = in.splats, total = int64_t(entries.size()) / 3;
          const gk::RasterCotangent<T> bar = {GK_DATA(image_bar, width * height * in.channels), GK_DATA(transmittance_bar, width * height)};
          const gk::RasterGradient<T> grad = {GK_DATA(first_slots, n + 1),
                                              GK_DATA(rows, total * gk::gradient_row_length(in.channels, in.waves)),
                                              GK_DATA(means2d_bar, 2 * n), GK_DATA(conics_bar, 3 * n), GK_DATA(opacities_bar, n),
                                              GK_DATA(features_bar, n * in.channels), GK_DATA(waves_bar, 4 * n * in.waves),
                                              GK_DATA_OR_NULL(absolute, 2 * n)};
          nb::gil_scoped_release release;
          gk::rasterize_backward(in, bar, grad);
        });
}

}  // namespace

void bind_rasterizer(nb::module_& m) {
  bind_bin<float>(m), bind_bin<double>(m);
  bind_rasterize<float>(m), bind_rasterize<double>(m);
}
