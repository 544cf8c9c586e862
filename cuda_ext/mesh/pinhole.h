// The intrinsics of a picture of a mesh, (4,) fx fy cx cy, read where kernels run, and the rays (x, y, 1) of its pixels.
#pragma once
#include "../math/scalar.h"

namespace gk {

template <class In> GK_HD In with_intrinsics(In in) {
  in.fx = in.intrinsics[0], in.fy = in.intrinsics[1], in.cx = in.intrinsics[2], in.cy = in.intrinsics[3];
  return in;
}

template <class T, template <class> class In> GK_HD T ray_x(const In<T>& in, int x) { return (T(x) + T(0.5) - in.cx) / in.fx; }
template <class T, template <class> class In> GK_HD T ray_y(const In<T>& in, int y) { return (T(y) + T(0.5) - in.cy) / in.fy; }

}  // namespace gk
