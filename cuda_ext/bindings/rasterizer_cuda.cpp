// Bindings of the rasterizer of the GPU, whose lists hold no more than the splats' numbers.
#include "raster_input.h"

namespace {

template <class T> void bind_rasterize(nb::module_& m) {
  define(m, "rasterize_forward",
         [](Array<T> means2d, Array<T> conics, Array<T> opacities, Array<T> features, Array<T> waves, Array<T> background, Ids offsets, Ids ids,
            int64_t width, int64_t height, Output<T> image, Output<T> transmittance, IdsOut ends, std::optional<IdsOut> median_ids,
            std::optional<LongsOut> pairs) {
           const auto in = raster_input<T>(means2d, conics, opacities, features, waves, background, offsets, nullptr, width, height);
           const gk::RasterOutput<T> out = {GK_DATA(image, width * height * in.channels), GK_DATA(transmittance, width * height),
                                            GK_DATA_OR_NULL(median_ids, width * height),
                                            GK_DATA_OR_NULL(pairs, int64_t(offsets.size()) - 1)};
           gk::cuda::rasterize_forward(in, ids.data(), out, GK_DATA(ends, width * height));
         });
  define(m, "rasterize_backward",
         [](Array<T> means2d, Array<T> conics, Array<T> opacities, Array<T> features, Array<T> waves, Array<T> background, Ids offsets, Ids ids,
            int64_t width, int64_t height, std::optional<Ids> slots, std::optional<Ids> first_slots, Array<T> transmittance, Ids ends,
            Array<T> image_bar, Array<T> transmittance_bar, Output<T> rows, Output<T> means2d_bar, Output<T> conics_bar, Output<T> opacities_bar,
            Output<T> features_bar, Output<T> waves_bar, std::optional<Output<T>> absolute) {
           const auto in = raster_input<T>(means2d, conics, opacities, features, waves, background, offsets, nullptr, width, height);
           const int64_t n = in.splats, pixels = width * height, entries = int64_t(ids.size());
           const gk::RasterCotangent<T> bar = {GK_DATA(image_bar, pixels * in.channels), GK_DATA(transmittance_bar, pixels)};
           const gk::cuda::SplatSlots order = {GK_DATA_OR_NULL(slots, entries), GK_DATA_OR_NULL(first_slots, n + 1)};
           const int64_t length = gk::cuda::gradient_row_length(in.channels, in.waves, absolute.has_value());
           const gk::RasterGradient<T> grad = {nullptr,
                                               GK_DATA(rows, (order.slots ? entries : n) * length),
                                               GK_DATA(means2d_bar, 2 * n),
                                               GK_DATA(conics_bar, 3 * n),
                                               GK_DATA(opacities_bar, n),
                                               GK_DATA(features_bar, n * in.channels),
                                               GK_DATA(waves_bar, 4 * n * in.waves),
                                               GK_DATA_OR_NULL(absolute, 2 * n)};
           const gk::cuda::RasterKept<T> kept = {GK_DATA(transmittance, pixels), GK_DATA(ends, pixels)};
           gk::cuda::rasterize_backward(in, ids.data(), order, kept, bar, grad);
         });
}

}  // namespace

void bind_rasterizer_cuda(nb::module_& m) {
  bind_rasterize<float>(m), bind_rasterize<double>(m);
}
