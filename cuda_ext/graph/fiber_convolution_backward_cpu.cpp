#include <algorithm>
#include <utility>
#include <vector>

#include "../cpu/aligned.h"
#include "../cpu/parallel.h"
#include "fiber_convolution.h"
#include "registers.h"

namespace gk {
namespace {

constexpr int64_t kNear = 6144;     // values of kernel_bar that stay in the first cache while the functions pass
constexpr int64_t kFunctions = 64;  // functions whose weights stay there too
constexpr int64_t kAhead = 16;      // lines until a profile that is asked for has come
constexpr int64_t kEdges = 256;     // edges of a row that are worth a task of their own
constexpr int64_t kMostParts = 64;  // tasks of one row

// Edges of one row. Their part of the gradient by its weights goes where no other task writes, or nowhere.
template <class T> struct Task {
  int64_t row, begin, end;
  T* weights_bar;  // (L, C)
};

// A line is one orientation of one edge: a row of channels of kernel_bar and a row of functions of the profiles.
template <class T> struct Lines {
  AlignedVector<T> kernel_bar;    // (lines, C)
  std::vector<int64_t> profiles;  // where each line's profile begins, and kAhead places more
  int64_t count;

  explicit Lines(const FiberInput<T>& in)
      : kernel_bar(std::max(kNear, in.orientations * in.channels)),
        profiles(std::max(kNear / in.channels, in.orientations) + kAhead),
        count(0) {}
};

template <class R, class T>
GK_INLINE void fill_lines(const FiberInput<T>& in, const int64_t* edges, int64_t count, const T* out_bar,
                          Lines<T>& lines) {
  const int64_t size = in.orientations * in.channels;
  lines.count = count * in.orientations;
  for (int64_t j = 0; j < count; ++j) {
    const int64_t e = edges[j];
    const T *features = in.features + in.senders[e] * size, *bar = out_bar + in.receivers[e] * size;
    T* kernel_bar = lines.kernel_bar.data() + j * size;
    for (int64_t i = 0; i < size; i += R::kWidth)
      R::store(kernel_bar + i, R::load(features + i) * R::load(bar + i));
    for (int64_t o = 0; o < in.orientations; ++o)
      lines.profiles[j * in.orientations + o] = (e * in.orientations + o) * in.functions;
  }
}

// weights_bar[l,c] += sum over lines of profiles[line,l] kernel_bar[line,c]: one tile of it, kept in registers.
template <class R, int Rows, int Vectors, class T>
GK_INLINE void add_weights_tile(const FiberInput<T>& in, const Lines<T>& lines, int64_t l, int64_t c, T* weights_bar) {
  typename R::Vector sum[Rows][Vectors];
  T* to = weights_bar + l * in.channels + c;
  GK_UNROLL
  for (int r = 0; r < Rows; ++r)
    GK_UNROLL
    for (int v = 0; v < Vectors; ++v) sum[r][v] = R::load(to + r * in.channels + v * R::kWidth);
  for (int64_t i = 0; i < lines.count; ++i) {
    const T *kernel_bar = lines.kernel_bar.data() + i * in.channels + c, *profile = in.profiles + lines.profiles[i] + l;
    __builtin_prefetch(in.profiles + lines.profiles[i + kAhead] + l);
    typename R::Vector values[Vectors];
    GK_UNROLL
    for (int v = 0; v < Vectors; ++v) values[v] = R::load(kernel_bar + v * R::kWidth);
    GK_UNROLL
    for (int r = 0; r < Rows; ++r)
      GK_UNROLL
      for (int v = 0; v < Vectors; ++v) sum[r][v] = sum[r][v] + values[v] * profile[r];
  }
  GK_UNROLL
  for (int r = 0; r < Rows; ++r)
    GK_UNROLL
    for (int v = 0; v < Vectors; ++v) R::store(to + r * in.channels + v * R::kWidth, sum[r][v]);
}

template <class R, class T>
GK_INLINE void add_weights_bar(const FiberInput<T>& in, const Lines<T>& lines, T* weights_bar) {
  each_row_tile(in.functions, [&](int64_t l, auto rows) GK_INLINE_LAMBDA {
    each_channel_tile<R>(in.channels, [&](int64_t c, auto vectors) GK_INLINE_LAMBDA {
      add_weights_tile<R, rows.value, vectors.value>(in, lines, l, c, weights_bar);
    });
  });
}

// profiles_bar[line,l] = sum_c weights[l,c] kernel_bar[line,c] for some functions from l on and some lines: as many of
// these sums as a register has lanes. Beyond the last line that line is taken again, and the result left.
template <class R, int Functions, class T>
GK_INLINE void write_profiles_tile(const FiberInput<T>& in, const Lines<T>& lines, int64_t first, const T* weights,
                                   int64_t l, T* profiles_bar) {
  constexpr int kTile = R::kWidth / Functions;
  const int64_t count = std::min<int64_t>(lines.count - first, kTile);
  const T* kernel_bar[kTile];
  typename R::Vector products[R::kWidth];
  GK_UNROLL
  for (int i = 0; i < kTile; ++i)
    kernel_bar[i] = lines.kernel_bar.data() + (first + std::min<int64_t>(i, count - 1)) * in.channels;
  GK_UNROLL
  for (int i = 0; i < R::kWidth; ++i) products[i] = typename R::Vector{};
  for (int64_t c = 0; c < in.channels; c += R::kWidth) {
    typename R::Vector weight[Functions];
    GK_UNROLL
    for (int k = 0; k < Functions; ++k) weight[k] = R::load(weights + (l + k) * in.channels + c);
    GK_UNROLL
    for (int i = 0; i < kTile; ++i) {
      const auto values = R::load(kernel_bar[i] + c);
      GK_UNROLL
      for (int k = 0; k < Functions; ++k)
        products[i * Functions + k] = products[i * Functions + k] + values * weight[k];
    }
  }
  T sums[R::kWidth];
  R::store(sums, R::sums(products));
  for (int64_t i = 0; i < count; ++i)
    for (int k = 0; k < Functions; ++k) profiles_bar[lines.profiles[first + i] + l + k] = sums[i * Functions + k];
}

template <class R, int Functions, class T>
GK_INLINE void write_profiles_of(const FiberInput<T>& in, const Lines<T>& lines, const T* weights, int64_t begin,
                                 int64_t end, T* profiles_bar) {
  for (int64_t first = 0; first < lines.count; first += R::kWidth / Functions)
    for (int64_t l = begin; l < end; l += Functions)
      write_profiles_tile<R, Functions>(in, lines, first, weights, l, profiles_bar);
}

template <class R, class T>
GK_INLINE void write_profiles_bar(const FiberInput<T>& in, const Lines<T>& lines, const T* weights, T* profiles_bar) {
  constexpr int kTogether = std::max(R::kWidth / 4, 1);
  const int64_t whole = in.functions / kTogether * kTogether;
  for (int64_t l = 0; l < whole; l += kFunctions)
    write_profiles_of<R, kTogether>(in, lines, weights, l, std::min(l + kFunctions, whole), profiles_bar);
  write_profiles_of<R, 1>(in, lines, weights, whole, in.functions, profiles_bar);
}

template <class R, class T>
GK_INLINE void run(const FiberInput<T>& in, const Groups& by_row, const T* out_bar, const Task<T>& task,
                   Lines<T>& lines, T* profiles_bar) {
  const int64_t batch = std::max<int64_t>(kNear / (in.orientations * in.channels), 1);
  const int64_t size = in.functions * in.channels;
  if (task.weights_bar) std::fill_n(task.weights_bar, size, T(0));
  for (int64_t j = task.begin; j < task.end; j += batch) {
    fill_lines<R>(in, by_row.order + j, std::min(batch, task.end - j), out_bar, lines);
    if (task.weights_bar) add_weights_bar<R>(in, lines, task.weights_bar);
    if (profiles_bar) write_profiles_bar<R>(in, lines, in.weights + task.row * size, profiles_bar);
  }
}

#define GK_RUN(BYTES)                                                                                             \
  void run_task(const FiberInput<float>& in, const Groups& by_row, const float* out_bar, const Task<float>& task, \
                Lines<float>& lines, float* profiles_bar) {                                                       \
    run<Register<float, BYTES>>(in, by_row, out_bar, task, lines, profiles_bar);                                  \
  }
GK_FOR_EACH_WIDTH(GK_RUN)
#undef GK_RUN
void run_task(const FiberInput<double>& in, const Groups& by_row, const double* out_bar, const Task<double>& task,
              Lines<double>& lines, double* profiles_bar) {
  run<Register<double, 16>>(in, by_row, out_bar, task, lines, profiles_bar);
}

// How many tasks share row `row`: a number that the graph alone decides, and with it the order of every sum.
int64_t parts_of(const Groups& by_row, int64_t row) {
  return std::clamp<int64_t>((by_row.offsets[row + 1] - by_row.offsets[row]) / kEdges, 1, kMostParts);
}

}  // namespace

template <class T>
void fiber_convolution_backward(const FiberInput<T>& in, const Groups& by_row, const T* out_bar, T* weights_bar,
                                T* profiles_bar) {
  const int64_t size = in.functions * in.channels;
  int64_t count = 0;
  for (int64_t row = 0; row < by_row.count; ++row) count += parts_of(by_row, row);
  std::vector<Task<T>> tasks;
  tasks.reserve(count);
  // A row's first task writes to the result, the others to `more`, from where they are added to it.
  AlignedVector<T> more(weights_bar ? (count - by_row.count) * size : 0);
  T* spare = more.data();
  for (int64_t row = 0; row < by_row.count; ++row) {
    const int64_t begin = by_row.offsets[row], edges = by_row.offsets[row + 1] - begin, parts = parts_of(by_row, row);
    for (int64_t part = 0; part < parts; ++part) {
      T* to = nullptr;
      if (weights_bar) to = part ? std::exchange(spare, spare + size) : weights_bar + row * size;
      tasks.push_back({row, begin + edges * part / parts, begin + edges * (part + 1) / parts, to});
    }
  }
  const int64_t together = std::clamp<int64_t>(count / 64, 1, 16);
#pragma omp parallel if (in.edges * in.orientations * size > 16 * kParallelWork)
  {
    Lines<T> lines(in);
#pragma omp for schedule(dynamic, together)
    for (int64_t i = 0; i < count; ++i) run_task(in, by_row, out_bar, tasks[i], lines, profiles_bar);
  }
  if (!weights_bar) return;
  for (const Task<T>& task : tasks) {
    T* to = weights_bar + task.row * size;
    for (int64_t i = 0; task.weights_bar != to && i < size; ++i) to[i] += task.weights_bar[i];
  }
}

template void fiber_convolution_backward(const FiberInput<float>&, const Groups&, const float*, float*, float*);
template void fiber_convolution_backward(const FiberInput<double>&, const Groups&, const double*, double*, double*);

}  // namespace gk
