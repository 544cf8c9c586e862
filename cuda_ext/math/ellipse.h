// The ellipse alpha >= 1/255 of a splat on the screen, and which tiles and which rows of a tile it reaches.
//
// T is float or double. Compiled without fused multiply-add these lines round alike everywhere, so that whoever counts
// tiles and whoever lists them agree.
#pragma once
#include <cstdint>

#include "scalar.h"

namespace gk {

constexpr int kTile = 16;                  // pixels
constexpr double kAlphaMin = 1.0 / 255.0;  // fainter contributions are skipped

template <class T> constexpr T kSlack = T(1e-3);  // pixels; rounding never loses a tile

template <class T> GK_HD T clamped(T value, T low, T high) { return minimum(maximum(value, low), high); }
GK_HD float round_up(float x) { return ceilf(x); }
GK_HD double round_up(double x) { return ceil(x); }
GK_HD float round_down(float x) { return floorf(x); }
GK_HD double round_down(double x) { return floor(x); }

// The first pixel centre at or after `low`, the last at or before `high`.
template <class T> GK_HD int32_t first_pixel(T low, T size) { return int32_t(round_up(clamped(low - T(0.5), T(0), size))); }
template <class T> GK_HD int32_t last_pixel(T high, T size) {
  return int32_t(round_down(clamped(high - T(0.5), T(-1), size - T(1))));
}

// {a dx^2 + 2 b dx dy + c dy^2 <= reach2}: widest at dy = -+tilt_y, highest at dx = -+tilt_x, between the rows of pixels
// top and bottom of the picture; top > bottom: nothing to draw.
template <class T> struct Ellipse {
  T a, b, c, det, mx, my, inverse_a, inverse_c;
  T reach2, half_width, half_height, tilt_x, tilt_y;
  int32_t top, bottom;
};

// 2 ln(255 amplitude), the squared Mahalanobis radius of the ellipse; 0: nothing to draw.
template <class T> GK_HD T reach_of(const T* mean, const T* conic, T depth, T amplitude) {
  const T a = conic[0], b = conic[1], c = conic[2], det = a * c - b * b;
  const T reach2 = depth > 0 ? T(2) * logarithm(amplitude * T(1 / kAlphaMin)) : T(0);
  const bool finite = (mean[0] - mean[0]) + (mean[1] - mean[1]) == 0;
  return reach2 > 0 && a > 0 && det > 0 && reach2 * (a + c) < det * T(1e18) && finite ? reach2 : T(0);
}

template <class T> GK_HD Ellipse<T> make_ellipse(const T* mean, const T* conic, T reach2, T width, T height) {
  const T a = conic[0], b = conic[1], c = conic[2], mx = mean[0], my = mean[1];  // read by every lane, so that lanes can be one vector
  const bool drawn = reach2 > 0;
  Ellipse<T> e;
  e.a = drawn ? a : T(1), e.b = drawn ? b : T(0), e.c = drawn ? c : T(1);
  e.mx = drawn ? mx : T(0), e.my = drawn ? my : T(0), e.reach2 = reach2;
  e.det = e.a * e.c - e.b * e.b;
  const T scale = reach2 / e.det;
  e.half_width = square_root(scale * e.c) + kSlack<T>, e.half_height = square_root(scale * e.a) + kSlack<T>;
  e.inverse_a = T(1) / e.a, e.inverse_c = T(1) / e.c;
  e.tilt_x = e.b * e.inverse_a * e.half_height, e.tilt_y = e.b * e.inverse_c * e.half_width;
  const int32_t top = first_pixel(e.my - e.half_height, height), bottom = last_pixel(e.my + e.half_height, height);
  const bool touched = drawn & (first_pixel(e.mx - e.half_width, width) <= last_pixel(e.mx + e.half_width, width));
  e.top = touched ? top : 1, e.bottom = touched ? bottom : 0;
  return e;
}

// The extent along one axis of the ellipse p u^2 + 2 q u v + r v^2 <= reach2 between v = low and v = high: a chord's end
// is a concave function of v, so its maximum over the band lies at the ellipse's own maximum, clamped to the band.
template <class T> GK_HD void chord(T p, T inverse_p, T q, T det, T reach2, T tilt, T low, T high, T& first, T& last) {
  const T v_last = clamped(-tilt, low, high), v_first = clamped(tilt, low, high);
  last = (square_root(maximum(reach2 * p - det * v_last * v_last, T(0))) - q * v_last) * inverse_p;
  first = (-square_root(maximum(reach2 * p - det * v_first * v_first, T(0))) - q * v_first) * inverse_p;
}

// How many rows of tiles the ellipse may reach, from top / kTile on.
template <class T> GK_HD int32_t rows_of_tiles(const Ellipse<T>& e) {
  return e.top <= e.bottom ? e.bottom / kTile - e.top / kTile + 1 : 0;
}

// The tiles that the ellipse reaches in one of these rows: from `first` to `last` column, none where first > last.
template <class T> GK_HD void columns_reached(const Ellipse<T>& e, int32_t row, T width, int32_t& first, int32_t& last) {
  const int32_t r = row * kTile, r_end = r + kTile - 1;
  const T low = maximum(T(e.top > r ? e.top : r) + T(0.5) - e.my, -e.half_height);
  const T high = minimum(T(e.bottom < r_end ? e.bottom : r_end) + T(0.5) - e.my, e.half_height);
  T begin, end;
  chord(e.a, e.inverse_a, e.b, e.det, e.reach2, e.tilt_y, low, high, begin, end);
  const int32_t left = first_pixel(e.mx + begin - kSlack<T>, width), right = last_pixel(e.mx + end + kSlack<T>, width);
  first = left <= right ? left / kTile : 1, last = left <= right ? right / kTile : 0;
}

// Bit y: the ellipse reaches row y of the tile within the tile's columns.
template <class T> GK_HD int32_t rows_reached(const Ellipse<T>& e, int32_t row, int32_t column) {
  const T low = maximum(T(column * kTile) + T(0.5) - e.mx, -e.half_width);
  const T high = minimum(T(column * kTile + kTile) - T(0.5) - e.mx, e.half_width);
  T begin, end;
  chord(e.c, e.inverse_c, e.b, e.det, e.reach2, e.tilt_x, low, high, begin, end);
  const T above = round_up(e.my + begin - kSlack<T> - T(0.5)) - T(row * kTile);
  const T below = round_down(e.my + end + kSlack<T> - T(0.5)) - T(row * kTile);
  const int32_t first = int32_t(clamped(above, T(0), T(kTile))), last = int32_t(clamped(below, T(-1), T(kTile - 1)));
  return low <= high && first <= last ? int32_t((2u << last) - (1u << first)) : 0;
}

}  // namespace gk
