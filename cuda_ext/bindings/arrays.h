// What every binding file shares: array types that are never converted, and the check of their sizes.
//
// A binding file is compiled once for the CPU and, where the kernels that it binds exist on the GPU (the CMake file says
// which), again with GK_CUDA for arrays on a device: `kernels` is the namespace to call, and every function takes the
// address of a stream before its other arguments. GK_EMULATED: on the emulated GPU of emulated/, whose memory is the
// CPU's.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace nb = nanobind;

namespace gk::cuda {}
#ifdef GK_CUDA
#include "../cuda/stream.h"
namespace kernels = gk::cuda;
#define GK_BIND(family) bind_##family##_cuda
#else
namespace kernels = gk;
#define GK_BIND(family) bind_##family
#endif
#if defined(GK_CUDA) && !defined(GK_EMULATED)
using Memory = nb::device::cuda;
#else
using Memory = nb::device::cpu;
#endif

template <class T> using Array = nb::ndarray<const T, nb::c_contig, Memory>;
template <class T> using Output = nb::ndarray<T, nb::c_contig, Memory>;
using Ids = Array<int32_t>;
using IdsOut = Output<int32_t>;
using Longs = Array<int64_t>;
using LongsOut = Output<int64_t>;

// Binds a function none of whose arguments is ever converted.
template <class F, class R, class... Args> void define(nb::module_& m, const char* name, const F& function, R (F::*)(Args...) const) {
#ifdef GK_CUDA
  const auto on_stream = [function](uintptr_t stream, Args... arguments) {
    const gk::cuda::OnStream on(stream);
    return function(std::move(arguments)...);
  };
  m.def(name, on_stream, nb::arg(), ((void)sizeof(Args), nb::arg().noconvert())...);
#else
  m.def(name, function, ((void)sizeof(Args), nb::arg().noconvert())...);
#endif
}
template <class F> void define(nb::module_& m, const char* name, const F& function) { define(m, name, function, &F::operator()); }

// The array's data, after checking that it holds as many values as the contract says.
template <class A> auto data_of(const A& array, int64_t size, const char* name) {
  if (int64_t(array.size()) != size)
    throw std::invalid_argument(std::string(name) + " must hold " + std::to_string(size) + " values, got " + std::to_string(array.size()));
  return array.data();
}
template <class A> auto data_or_null(const std::optional<A>& array, int64_t size, const char* name) {
  return array ? data_of(*array, size, name) : nullptr;
}

#define GK_DATA(array, size) data_of(array, size, #array)
#define GK_DATA_OR_NULL(array, size) data_or_null(array, size, #array)
