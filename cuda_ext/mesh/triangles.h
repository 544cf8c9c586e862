// Triangles drawn into a depth buffer: contract.
//
// A pixel shows the triangle that covers its centre nearest to the camera; of equally near ones the one of lower index.
// Corners are rounded to a fine grid (1/256 of a pixel or finer) and covered pixels found in integers with the top-left
// rule, so triangles that share an edge cover every pixel along it exactly once. What is behind the near plane is clipped.
// Barycentrics (perspective-correct) and depth are those of the unrounded triangle.
#pragma once
#include <cstdint>

namespace gk {

constexpr int64_t kLargestPicture = 1 << 15;  // pixels along one side

template <class T> struct TriangleInput {
  int64_t vertices, faces;  // V, F
  int64_t width, height;    // pixels
  const T* points;          // (V, 3), camera space: x right, y down, z forward
  const int64_t* corners;   // (F, 3), indices of points
  T fx, fy, cx, cy;         // pixels; the centre of the first pixel is (0.5, 0.5)
  T near_plane;             // > 0
  bool cull_back_faces;     // leave out triangles whose corners do not turn counter-clockwise as seen
};

template <class T> struct TriangleOutput {
  int64_t* face_ids;  // (H, W), -1 where nothing is seen
  T* barycentrics;    // (H, W, 3), 0 where nothing is seen
  T* depth;           // (H, W), 0 where nothing is seen
};

template <class T> struct TriangleCotangent {
  const int64_t* face_ids;  // (H, W), of the forward pass
  const T* barycentrics;    // (H, W, 3)
  const T* depth;           // (H, W)
};

// Returns -1, or the first face that names a vertex that is not there: the output is then unfinished.
template <class T> int64_t draw_triangles(const TriangleInput<T>& in, const TriangleOutput<T>& out);
template <class T> void draw_triangles_backward(const TriangleInput<T>& in, const TriangleCotangent<T>& bar, T* points_bar);  // (V, 3)

// Values at the vertices carried to the pixels, sum_i barycentrics_i attributes[corner_i], and back.
template <class T> struct InterpolateInput {
  int64_t vertices, faces, pixels, channels;  // V, F, P, C
  const T* attributes;                        // (V, C)
  const int64_t* corners;                     // (F, 3)
  const int64_t* face_ids;                    // (P,)
  const T* barycentrics;                      // (P, 3)
};
// Both return -1, or the first pixel whose face or vertex is not there.
template <class T> int64_t interpolate(const InterpolateInput<T>& in, T* values);  // (P, C)
template <class T>
int64_t interpolate_backward(const InterpolateInput<T>& in, const T* values_bar, T* attributes_bar, T* barycentrics_bar);  // (V, C), (P, 3)

}  // namespace gk
