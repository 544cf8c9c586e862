// The module geokit._native: argument checks and calls, nothing else, one file a kernel family. Arrays come by DLPack;
// outputs are allocated by the caller; a wrong dtype or a strided array is a TypeError, never a silent copy.
#include <nanobind/nanobind.h>

#include "../cpu/parallel.h"

namespace nb = nanobind;

void bind_splats(nb::module_& m);
void bind_rasterizer(nb::module_& m);
void bind_image(nb::module_& m);
void bind_optimize(nb::module_& m);
void bind_neighbors(nb::module_& m);
void bind_mesh_distance(nb::module_& m);
void bind_geodesics(nb::module_& m);
void bind_files(nb::module_& m);
void bind_mesh_raster(nb::module_& m);
void bind_mesh_intrinsic(nb::module_& m);
void bind_sparse(nb::module_& m);
void bind_embedded_faces(nb::module_& m);
void bind_graph(nb::module_& m);
void bind_orientations(nb::module_& m);
void bind_fields_entropy(nb::module_& m);
void bind_fields_simplex_fourier(nb::module_& m);
void bind_fields_grid(nb::module_& m);
void bind_fields_radial(nb::module_& m);
void bind_fields_radial_pairs(nb::module_& m);
void bind_fields_surface(nb::module_& m);

namespace {

const char* cpu_level() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return "x86-64-v4 (AVX-512)";
  if (__builtin_cpu_supports("x86-64-v3")) return "x86-64-v3 (AVX2)";
  return "x86-64 (SSE2)";
#else
  return "baseline";
#endif
}

}  // namespace

NB_MODULE(_native, m) {
  m.def("cpu_level", &cpu_level, "The instruction set that the kernels use on this machine.");
  m.def("thread_count", &gk::thread_count, "Threads that a kernel called now would use.");
  bind_splats(m);
  bind_rasterizer(m);
  bind_image(m);
  bind_optimize(m);
  bind_neighbors(m);
  bind_mesh_distance(m);
  bind_geodesics(m);
  bind_files(m);
  bind_mesh_raster(m);
  bind_mesh_intrinsic(m);
  bind_sparse(m);
  bind_embedded_faces(m);
  bind_graph(m);
  bind_orientations(m);
  bind_fields_entropy(m);
  bind_fields_simplex_fourier(m);
  bind_fields_grid(m);
  bind_fields_radial(m);
  bind_fields_radial_pairs(m);
  bind_fields_surface(m);
}
