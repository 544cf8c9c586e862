// Bindings of the entropy coder of field files.
#include "../fields/entropy.h"

#include "arrays.h"

namespace {


gk::Planes planes_of(const Ids& parents, int64_t rows, int64_t columns) {
  if (parents.ndim() != 2 || int64_t(parents.shape(1)) != gk::kParents || rows < 0 || columns < 0)
    throw std::invalid_argument("parents must be (planes, 3), and rows and columns at least 0");
  const int64_t count = int64_t(parents.shape(0));
  for (int64_t p = 0; p < count; ++p)
    for (int i = 0; i < gk::kParents; ++i)
      if (const int32_t other = parents.data()[p * gk::kParents + i]; other < -1 || other >= p)
        throw std::invalid_argument("a parent must come before its plane");
  return {count, rows, columns, parents.data()};
}

}  // namespace

void bind_fields_entropy(nb::module_& m) {
  define(m, "encode_planes", [](Ids values, Ids parents) {
    if (values.ndim() != 3) throw std::invalid_argument("values must be (planes, rows, columns)");
    const gk::Planes planes = planes_of(parents, int64_t(values.shape(1)), int64_t(values.shape(2)));
    if (int64_t(values.shape(0)) != planes.count) throw std::invalid_argument("there must be parents for every plane");
    std::vector<uint8_t> code;
    {
      nb::gil_scoped_release release;
      gk::encode_planes(planes, values.data(), code);
    }
    return nb::bytes(reinterpret_cast<const char*>(code.data()), code.size());
  });
  define(m, "decode_planes", [](nb::bytes code, Ids parents, IdsOut out) {
    if (out.ndim() != 3) throw std::invalid_argument("out must be (planes, rows, columns)");
    const gk::Planes planes = planes_of(parents, int64_t(out.shape(1)), int64_t(out.shape(2)));
    if (int64_t(out.shape(0)) != planes.count) throw std::invalid_argument("there must be parents for every plane");
    const auto* data = reinterpret_cast<const uint8_t*>(code.c_str());
    const int64_t bytes = int64_t(code.size());
    nb::gil_scoped_release release;
    gk::decode_planes(planes, data, bytes, out.data());
  });
}
