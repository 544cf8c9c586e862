// The module geokit._cuda, the GPU's half: what every binding file that is compiled for it binds. The tests' emulated GPU
// is the module geokit._emulated with the same functions.
#include "../cuda/device.h"

#include <nanobind/stl/string.h>

#include "arrays.h"

void bind_splats_cuda(nb::module_& m);
void bind_rasterizer_cuda(nb::module_& m);
void bind_optimize_cuda(nb::module_& m);
void bind_tile_lists_cuda(nb::module_& m);
void bind_neighbors_cuda(nb::module_& m);
void bind_image_cuda(nb::module_& m);
void bind_sum_rows_cuda(nb::module_& m);
void bind_mesh_raster_cuda(nb::module_& m);
void bind_mesh_distance_cuda(nb::module_& m);
void bind_graph_cuda(nb::module_& m);
void bind_orientations_cuda(nb::module_& m);
void bind_fields_simplex_fourier_cuda(nb::module_& m);
void bind_fields_radial_cuda(nb::module_& m);
void bind_fields_radial_pairs_cuda(nb::module_& m);
void bind_fields_grid_cuda(nb::module_& m);

#ifdef GK_EMULATED
namespace emulated {
void set_order(unsigned seed);
}
NB_MODULE(_emulated, m) {
  m.def("set_order", &emulated::set_order, "Which thread goes first: 0 by index, 1 the last, others shuffled.");
#else
NB_MODULE(_cuda, m) {
#endif
  m.def("architectures", [] { return std::string(GK_CUDA_ARCHITECTURES); },
        "The compute capabilities that there is code for, as CMake writes them: '75-real 90'.");
  m.def("toolkit_version", &gk::cuda::toolkit_version, "The version of CUDA of the kernels: 13000 is 13.0.");
  m.def("driver_version", &gk::cuda::driver_version, "The newest version of CUDA that the driver knows; 0 without one.");
  bind_splats_cuda(m);
  bind_rasterizer_cuda(m);
  bind_optimize_cuda(m);
  bind_tile_lists_cuda(m);
  bind_neighbors_cuda(m);
  bind_image_cuda(m);
  bind_sum_rows_cuda(m);
  bind_mesh_raster_cuda(m);
  bind_mesh_distance_cuda(m);
  bind_graph_cuda(m);
  bind_orientations_cuda(m);
  bind_fields_simplex_fourier_cuda(m);
  bind_fields_radial_cuda(m);
  bind_fields_radial_pairs_cuda(m);
  bind_fields_grid_cuda(m);
}
