// What every binding file shares: array types that are never converted, and the check of their sizes.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

namespace nb = nanobind;

template <class T> using Array = nb::ndarray<const T, nb::c_contig, nb::device::cpu>;
template <class T> using Output = nb::ndarray<T, nb::c_contig, nb::device::cpu>;
using Ids = nb::ndarray<const int32_t, nb::c_contig, nb::device::cpu>;
using IdsOut = nb::ndarray<int32_t, nb::c_contig, nb::device::cpu>;

// Binds a function none of whose arguments is ever converted.
template <class F, class R, class... Args> void define(nb::module_& m, const char* name, const F& function, R (F::*)(Args...) const) {
  m.def(name, function, ((void)sizeof(Args), nb::arg().noconvert())...);
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
