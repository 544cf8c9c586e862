// What the transform of a simplex at a frequency is made of, for the kernels on a GPU: phases of its corners, and phasors.
//
// Frequencies of a grid come in tiles of some rows and columns. The phase s = 2 pi f . x of a corner is that of the row, whose first
// two coordinates are given, plus that of the column; a phasor is a product. Both halves are made from float64 once
// for all frequencies of a tile, so that none of those costs an operation in float64 or a sine.
#pragma once
#include <algorithm>
#include <type_traits>

#include "../cuda/launch.h"
#include "../math/exponential_differences.h"
#include "simplex_fourier.h"

namespace gk::cuda {

constexpr double kTurn = 6.283185307179586;
constexpr int kSide = 32;  // rows and columns of a tile, at most

// exp(-i s), and s less that of the simplex' first corner as the sum of two T.
template <class T> struct alignas(16) Corner {
  T re, im, phase, rest;
};

__device__ __forceinline__ void sine_cosine_of_half_turns(float x, float& sine, float& cosine) { sincospif(x, &sine, &cosine); }
__device__ __forceinline__ void sine_cosine_of_half_turns(double x, double& sine, double& cosine) { sincospi(x, &sine, &cosine); }

// Of a phase in turns, `apart` turns from that of the first corner.
template <class T> __device__ __forceinline__ Corner<T> corner_of(double turns, double apart) {
  Corner<T> corner;
  sine_cosine_of_half_turns(T(2 * (turns - rint(turns))), corner.im, corner.re);
  corner.im = -corner.im;
  corner.phase = T(kTurn * apart), corner.rest = T(kTurn * apart - double(corner.phase));
  return corner;
}

// The phase of the sum, with what rounding of the first addition loses (Knuth's two-sum).
template <class T> __device__ __forceinline__ T sum_of_phases(const Corner<T>& a, const Corner<T>& b) {
  const T sum = a.phase + b.phase, second = sum - a.phase;
  return sum + ((a.phase - (sum - second)) + (b.phase - second) + (a.rest + b.rest));
}

// How frequencies lie in tiles, of the widths as even as can be. A list is one row.
struct Tiles {
  int width, height;
  int64_t rows, columns, across, count;
  int64_t frequencies;

  Tiles(const Frequencies& at, int threads) : rows(at.sizes[0] * at.sizes[1]), columns(at.sizes[2]), frequencies(at.count()) {
    across = blocks_for(columns, at.grid ? kSide : threads);
    width = int((columns + across - 1) / across), height = at.grid ? std::min(threads / width, kSide) : 1;
    height = int(std::min<int64_t>(height, rows));
    count = across * ((rows + height - 1) / height);
  }
};

// The frequencies of a tile of a grid: the first two coordinates of a row, the last of a column.
template <class T> struct Axes {
  T rows[kSide][2], columns[kSide];

  __device__ void fill(int i, int64_t row, int64_t column, const Frequencies& at) {
    const double *first = at.list, *step = at.list + 3;
    const int64_t plane = quotient(row + i, unsigned(at.sizes[1]));
    rows[i][0] = T(first[0] + double(plane) * step[0]);
    rows[i][1] = T(first[1] + double(row + i - plane * at.sizes[1]) * step[1]);
    columns[i] = T(first[2] + double(column + i) * step[2]);
  }
};

// The halves of a tile's phases for one simplex, in shared memory.
template <int J, class T> struct Halves {
  Corner<T> rows[kSide][J + 1], columns[kSide][J + 1];

  // Number i < (height + width) (J + 1), of rows, then of columns.
  __device__ void fill(int i, const Tiles& tiles, const Axes<double>& axes, const T* places) {
    const int entry = i / (J + 1), t = i % (J + 1);
    double x[3], apart[3];
    for (int a = 0; a < 3; ++a) x[a] = double(places[3 * t + a]), apart[a] = x[a] - double(places[a]);
    if (entry < tiles.height) {
      const double* f = axes.rows[entry];
      rows[entry][t] = corner_of<T>(f[0] * x[0] + f[1] * x[1], f[0] * apart[0] + f[1] * apart[1]);
    } else {
      const double f = axes.columns[entry - tiles.height];
      columns[entry - tiles.height][t] = corner_of<T>(f * x[2], f * apart[2]);
    }
  }
  __device__ void read(int row, int column, T* phases, Complex<T>* phasors) const {
#pragma unroll
    for (int t = 0; t <= J; ++t) {
      const Corner<T> a = rows[row][t], b = columns[column][t];
      phases[t] = sum_of_phases(a, b);
      phasors[t] = Complex<T>{a.re, a.im} * Complex<T>{b.re, b.im};
    }
  }
};

template <int J, class T> __device__ __forceinline__ void corners_at(const double* f, const T* places, T* phases, Complex<T>* phasors) {
#pragma unroll
  for (int t = 0; t <= J; ++t) {
    double turns = 0, apart = 0;
    for (int a = 0; a < 3; ++a) {
      const double x = double(places[3 * t + a]);
      turns += f[a] * x, apart += f[a] * (x - double(places[a]));
    }
    const Corner<T> corner = corner_of<T>(turns, apart);
    phases[t] = corner.phase, phasors[t] = {corner.re, corner.im};
  }
}

// phi_J and its slopes, for a whole warp at once: what is not chosen in any lane is left out.
template <int J, bool kSlopes, class T> __device__ __forceinline__ Complex<T> value_at(T* phases, Complex<T>* phasors, Complex<T>* slopes) {
  if constexpr (sizeof(T) == 4 && J > 0) {
    T least = T(INFINITY), most = T(0);  // of the distances
    for (int t = 1; t <= J; ++t)
      for (int u = 0; u < t; ++u) {
        const T distance = fabsf(phases[t] - phases[u]);
        least = minimum(least, distance), most = maximum(most, distance);
      }
    constexpr T kNear = T(1.9999), kBeyond = T(2.0001);  // 2 but for rounding
    if (__all_sync(~0u, most < kNear)) return of_corners<J, T, Reach::kClose, kSlopes>(phases, phasors, slopes);
    if constexpr (!kSlopes)
      if (__all_sync(~0u, least > kBeyond)) return of_corners<J, T, Reach::kFar, false>(phases, phasors, slopes);
  }
  return of_corners<J, T, Reach::kMixed, kSlopes>(phases, phasors, slopes);
}

// Calls with(integral constants: corners - 1, whether a grid).
template <class With> void by_kind(int corners, bool grid, const With& with) {
  const auto choose = [&](auto degree) {
    grid ? with(degree, std::true_type()) : with(degree, std::false_type());
  };
  switch (corners) {
    case 1: return choose(std::integral_constant<int, 0>());
    case 2: return choose(std::integral_constant<int, 1>());
    case 3: return choose(std::integral_constant<int, 2>());
    default: return choose(std::integral_constant<int, 3>());
  }
}

}  // namespace gk::cuda
