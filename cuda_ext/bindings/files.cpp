// Bindings of what reads files: argument checks and calls.
#include <nanobind/stl/tuple.h>

#include <algorithm>
#include <vector>

#include "../files/polygons.h"
#include "../files/rows.h"
#include "../files/text.h"
#include "arrays.h"

namespace {

using Bytes = Array<uint8_t>;

gk::Text text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), int64_t(bytes.size())}; }

gk::ObjCounts counts_of(const Array<int64_t>& c) {
  const int64_t* v = GK_DATA(c, 8);
  return {v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]};
}

void bind_text(nb::module_& m) {
  define(m, "count_words", [](Bytes text) {
    nb::gil_scoped_release release;
    return gk::count_words(text_of(text));
  });
  define(m, "parse_numbers", [](Bytes text, Output<double> out) {
    gk::NumbersRead read;
    {
      nb::gil_scoped_release release;
      read = gk::parse_numbers(text_of(text), out.data(), int64_t(out.size()));
    }
    return std::make_tuple(read.count, read.place);
  });
  define(m, "blank_comments", [](Output<uint8_t> text) {
    nb::gil_scoped_release release;
    gk::blank_comments(reinterpret_cast<char*>(text.data()), int64_t(text.size()));
  });
  define(m, "parse_face_lines", [](Bytes text, IdsOut lengths, Output<double> items) {
    gk::FaceLines read;
    {
      nb::gil_scoped_release release;
      read = gk::parse_face_lines(text_of(text), int64_t(lengths.size()), lengths.data(), items.data(), int64_t(items.size()));
    }
    return std::make_tuple(read.faces, read.items);
  });
  define(m, "parse_stl", [](Bytes text, Output<double> out) {
    gk::StlRead read;
    {
      nb::gil_scoped_release release;
      read = gk::parse_stl(text_of(text), out.data(), int64_t(out.size()) / 3);
    }
    return std::make_tuple(int(read.fault), read.corners, read.place);
  });
  define(m, "count_obj", [](Bytes text, Output<int64_t> counts) {
    int64_t* out = GK_DATA(counts, 8);
    nb::gil_scoped_release release;
    const gk::ObjCounts c = gk::count_obj(text_of(text));
    const int64_t values[] = {c.vertices, c.colored, c.uvs, c.normals, c.faces, c.corners, c.words_uv, c.words_normal};
    std::copy(values, values + 8, out);
  });
  define(m, "parse_obj", [](Bytes text, Array<int64_t> counts, Output<double> vertices, std::optional<Output<double>> colors, Output<double> uvs,
                            Output<double> normals, IdsOut lengths, IdsOut corners, std::optional<IdsOut> corner_uvs,
                            std::optional<IdsOut> corner_normals) {
    const gk::ObjCounts c = counts_of(counts);
    const gk::ObjArrays out = {GK_DATA(vertices, 3 * c.vertices), GK_DATA_OR_NULL(colors, 3 * c.vertices), GK_DATA(uvs, 2 * c.uvs),
                               GK_DATA(normals, 3 * c.normals), GK_DATA(lengths, c.faces), GK_DATA(corners, c.corners),
                               GK_DATA_OR_NULL(corner_uvs, c.corners), GK_DATA_OR_NULL(corner_normals, c.corners)};
    gk::ObjRead read;
    {
      nb::gil_scoped_release release;
      read = gk::parse_obj(text_of(text), c, out);
    }
    return std::make_tuple(int(read.fault), read.line);
  });
}

gk::Rows rows_of(const Bytes& data, int64_t place, int64_t count, const Ids& counters, const Array<int64_t>& item_bytes, bool swapped) {
  const int64_t properties = int64_t(counters.size());
  const gk::Rows rows = {data.data(), int64_t(data.size()), place, count, properties, counters.data(), GK_DATA(item_bytes, properties), swapped};
  for (int64_t j = 0; j < properties; ++j)
    if (rows.counters[j] < gk::kSingle || rows.counters[j] > gk::kF8 || rows.item_bytes[j] < 1 || rows.item_bytes[j] > 8)
      throw std::invalid_argument("counters must be codes of types and item_bytes 1 to 8");
  if (place < 0 || place > rows.size || count < 0) throw std::invalid_argument("place must be inside the data and count not negative");
  return rows;
}

void bind_rows(nb::module_& m) {
  define(m, "measure_rows", [](Bytes data, int64_t place, int64_t count, Ids counters, Array<int64_t> item_bytes, bool swapped,
                               Output<int64_t> totals, Output<int64_t> least, Output<int64_t> most) {
    const gk::Rows rows = rows_of(data, place, count, counters, item_bytes, swapped);
    int64_t *t = GK_DATA(totals, rows.properties), *l = GK_DATA(least, rows.properties), *h = GK_DATA(most, rows.properties);
    gk::RowsMeasured read;
    {
      nb::gil_scoped_release release;
      read = gk::measure_rows(rows, t, l, h);
    }
    return std::make_tuple(read.rows, read.place);
  });
  define(m, "copy_rows", [](Bytes data, int64_t place, int64_t count, Ids counters, Array<int64_t> item_bytes, bool swapped, int64_t property,
                            IdsOut lengths, Output<uint8_t> items) {
    const gk::Rows rows = rows_of(data, place, count, counters, item_bytes, swapped);
    if (property < 0 || property >= rows.properties) throw std::invalid_argument("no such property");
    int32_t* l = GK_DATA(lengths, count);
    std::vector<int64_t> totals(size_t(rows.properties)), least(totals), most(totals);
    nb::gil_scoped_release release;
    if (gk::measure_rows(rows, totals.data(), least.data(), most.data()).rows != count ||
        totals[size_t(property)] * rows.item_bytes[property] != int64_t(items.size()))
      throw std::invalid_argument("items must hold what the rows hold");
    gk::copy_rows(rows, property, l, items.data());
  });
  define(m, "merge_rows", [](Array<uint32_t> rows, uint64_t seed, IdsOut table, Output<int64_t> ids, Output<int64_t> firsts) {
    if (rows.ndim() != 2) throw std::invalid_argument("rows must have shape (N, words)");
    const int64_t count = int64_t(rows.shape(0)), slots = int64_t(table.size());
    if (slots < 2 * count || slots < 1 || (slots & (slots - 1)) || slots > (int64_t(1) << 32))
      throw std::invalid_argument("table must be a power of two of at least 2 N slots");
    int64_t *out = GK_DATA(ids, count), *f = GK_DATA(firsts, count);
    nb::gil_scoped_release release;
    return gk::merge_rows(rows.data(), count, int64_t(rows.shape(1)), seed, table.data(), slots, out, f);
  });
}

void bind_polygons(nb::module_& m) {
  define(m, "triangulate_polygons", [](Ids lengths, Ids items, Array<double> vertices, int64_t effort, Output<int64_t> triangles) {
    const int64_t count = int64_t(lengths.size()), corners = int64_t(items.size()), points = int64_t(vertices.size()) / 3;
    int64_t total = 0, made = 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t length = lengths.data()[i];
      if (length < 0) throw std::invalid_argument("lengths must not be negative");
      total += length, made += length > 2 ? length - 2 : 0;
    }
    for (int64_t i = 0; i < corners; ++i)
      if (items.data()[i] < 0 || items.data()[i] >= points) throw std::invalid_argument("items must name vertices");
    if (total != corners) throw std::invalid_argument("items must hold as many values as lengths say");
    int64_t* t = GK_DATA(triangles, 3 * made);
    nb::gil_scoped_release release;
    return gk::triangulate_polygons({count, lengths.data(), items.data(), vertices.data(), effort}, t);
  });
}

}  // namespace

void bind_files(nb::module_& m) { bind_text(m), bind_rows(m), bind_polygons(m); }
