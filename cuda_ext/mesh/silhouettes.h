// Silhouettes of a mesh in a picture, and pixels blended across them: contract.
//
// A silhouette edge has one face, or two that lie on one side of the plane through the camera and the edge. It is followed
// along the lines of pixel centres that it crosses, rows and columns. A crossing lies between the centres of two neighbouring
// pixels; the one on the surface's side is the inner one. Where the crossing is further than half a pixel from the inner
// centre, the outer pixel takes that much of the inner one's colour, where it is nearer, the inner one takes of the outer's.
// So the sum along the line is what the crossing says, and its derivative by the edge's ends is exact. Rows and columns each
// say all of this; they share it by the squares of the components of the edge's normal in the picture. (The blend is that of
// Laine et al. 2020, "Modular primitives for high-performance differentiable rendering", section 3.4; there edges are looked
// for in the faces that pixel centres see, here every edge of the mesh is followed, so that faces much smaller than a pixel
// keep their silhouettes.)
#pragma once
#include <cstdint>

namespace gk {

template <class T> struct SilhouetteView {
  int64_t vertices, edges;  // V, E
  int64_t width, height;    // pixels
  const T* points;          // (V, 3), camera space: x right, y down, z forward
  const int64_t* ends;      // (E, 4): the edge's two vertices, then the third vertex of its first face and of its second,
                            // -1 where there is no second
  const T* intrinsics;      // (4,), fx fy cx cy
  T near_plane;             // > 0
  T fx, fy, cx, cy;         // pixels, read from the intrinsics
};

// crossings (2, H, W): for each pixel with its right, then with its lower neighbour: 0 where no visible silhouette
// crosses between their centres, i + 1 where edge i does with its surface on the pixel's side, -(i + 1) on the neighbour's.
// Of several crossings there the nearest to the camera says on which side the surface is, and of those with their surface
// on that side the outermost counts, since the union of what they bound is seen; of equal ones the edge of lower index.
struct CrossingsOutput {
  int32_t* crossings;
  int64_t* wrong;    // (1,), E at first: becomes the first edge that names a vertex that is not there, the rest is then unfinished
  int64_t* scratch;  // crossings_scratch values, 0 at first
};
template <class T> int64_t crossings_scratch(const SilhouetteView<T>& view);
template <class T> void find_crossings(const SilhouetteView<T>& view, const int64_t* face_ids, const T* depth, const CrossingsOutput& out);

// image and result (H, W, C). wrong (1,), 2 H W at first: becomes the first crossing of an edge that is not there.
template <class T>
void antialias(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, T* result, int64_t* wrong);
// Of crossings that `antialias` has found right.
template <class T>
void antialias_backward(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar,
                        T* image_bar, T* points_bar);

namespace cuda {
template <class T> int64_t crossings_scratch(const SilhouetteView<T>& view);
template <class T> void find_crossings(const SilhouetteView<T>& view, const int64_t* face_ids, const T* depth, const CrossingsOutput& out);
template <class T>
void antialias(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, T* result, int64_t* wrong);
// Adds to what is in points_bar, in no particular order; or writes what is added, rows (2, H, W, 2, 3) for the two ends of
// each crossing's edge, 0 where there is none.
template <class T>
void antialias_backward(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar,
                        T* image_bar, T* points_bar);
template <class T>
void antialias_rows(const SilhouetteView<T>& view, const int32_t* crossings, const T* image, int64_t channels, const T* result_bar,
                    T* image_bar, T* rows);
}  // namespace cuda

}  // namespace gk
