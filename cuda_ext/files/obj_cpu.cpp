#include <limits>

#include "scan.h"
#include "text.h"

namespace gk {
namespace {

// Calls visit(first character of the line's arguments, end of the line, kind) for every line that says something here.
enum class Line { vertex, uv, normal, face };
template <class Visit> void each_line(Text text, const Visit& visit) {
  const char *end = text.begin + text.size, *p = text.begin;
  for (int64_t number = 1; p < end; ++number) {
    const char* stop = p;
    while (stop < end && *stop != '\n') ++stop;
    const char *word = skip_blanks(p, stop), *after = skip_word(word, stop);
    const int64_t length = after - word;
    bool goes_on = true;
    if (length == 1 && *word == 'v') goes_on = visit(Line::vertex, after, stop, number);
    else if (length == 1 && *word == 'f') goes_on = visit(Line::face, after, stop, number);
    else if (length == 2 && *word == 'v' && word[1] == 't') goes_on = visit(Line::uv, after, stop, number);
    else if (length == 2 && *word == 'v' && word[1] == 'n') goes_on = visit(Line::normal, after, stop, number);
    if (!goes_on) return;
    p = stop + 1;
  }
}

// The next word of a line, or null at its end or where a comment begins.
const char* next_word(const char* p, const char* stop) {
  p = skip_blanks(p, stop);
  return p < stop && *p != '#' ? p : nullptr;
}

// Up to `most` numbers of a line; how many there were, or -1 where a word is no number.
int read_line(const char* p, const char* stop, double* values, int most) {
  int count = 0;
  while (count < most && (p = next_word(p, stop))) {
    p = read_number_word(p, stop, values[count]);
    if (!p) return -1;
    ++count;
  }
  return count;
}

// One index as it is written, from 1 or negative; null where there is none.
const char* read_index(const char* p, const char* end, int64_t& value) {
  const bool negative = p < end && *p == '-';
  p += negative || (p < end && *p == '+');
  const char* first = p;
  value = 0;
  for (; p < end && *p >= '0' && *p <= '9'; ++p)
    if (value < (int64_t(1) << 40)) value = 10 * value + (*p - '0');
  if (p == first) return nullptr;
  if (negative) value = -value;
  return p;
}

ObjFault resolve(int64_t written, int64_t so_far, int64_t total, int32_t& index) {
  if (written == 0) return ObjFault::zero_index;
  const int64_t from_zero = written > 0 ? written - 1 : so_far + written;
  if (from_zero < 0 || from_zero >= total) return ObjFault::out_of_range;
  index = int32_t(from_zero);
  return ObjFault::none;
}

struct Reader {
  const ObjCounts& total;
  const ObjArrays& out;
  ObjCounts seen = {};

  ObjFault corner(const char*& p, const char* stop) {
    const int64_t totals[3] = {total.vertices, total.uvs, total.normals}, so_far[3] = {seen.vertices, seen.uvs, seen.normals};
    int32_t indices[3] = {-1, -1, -1};
    const char* end = skip_word(p, stop);
    for (int part = 0; part < 3; ++part) {
      int64_t written = 0;
      if (part && (p == end || *p == '/')) {  // left out: 1//3
      } else {
        p = read_index(p, end, written);
        if (!p) return ObjFault::index;
        const ObjFault fault = resolve(written, so_far[part], totals[part], indices[part]);
        if (fault != ObjFault::none) return fault;
      }
      if (p == end) break;
      if (*p != '/' || part == 2) return ObjFault::index;
      ++p;
    }
    out.corners[seen.corners] = indices[0];
    if (out.corner_uvs) out.corner_uvs[seen.corners] = indices[1];
    if (out.corner_normals) out.corner_normals[seen.corners] = indices[2];
    ++seen.corners;
    return ObjFault::none;
  }

  ObjFault face(const char* p, const char* stop) {
    const int64_t before = seen.corners;
    if (seen.faces == total.faces) return ObjFault::changed;
    while ((p = next_word(p, stop))) {
      if (seen.corners == total.corners) return ObjFault::changed;
      const ObjFault fault = corner(p, stop);
      if (fault != ObjFault::none) return fault;
    }
    out.lengths[seen.faces++] = int32_t(seen.corners - before);
    return ObjFault::none;
  }

  ObjFault values(Line kind, const char* p, const char* stop) {
    double row[7];
    const int count = read_line(p, stop, row, 7), least = kind == Line::uv ? 1 : 3;
    if (count < 0) return ObjFault::number;
    if (count < least) return ObjFault::too_few;
    int64_t& seen_here = kind == Line::vertex ? seen.vertices : kind == Line::uv ? seen.uvs : seen.normals;
    if (seen_here == (kind == Line::vertex ? total.vertices : kind == Line::uv ? total.uvs : total.normals)) return ObjFault::changed;
    const int64_t i = seen_here++;
    if (kind == Line::uv) {
      out.uvs[2 * i] = row[0], out.uvs[2 * i + 1] = count > 1 ? row[1] : 0.0;
      return ObjFault::none;
    }
    double* place = kind == Line::vertex ? out.vertices : out.normals;
    for (int k = 0; k < 3; ++k) place[3 * i + k] = row[k];
    if (kind == Line::vertex && out.colors)
      for (int k = 0; k < 3; ++k) out.colors[3 * i + k] = count >= 6 ? row[3 + k] : 0.0;
    return ObjFault::none;
  }
};

}  // namespace

ObjCounts count_obj(Text text) {
  ObjCounts counts = {};
  each_line(text, [&](Line kind, const char* p, const char* stop, int64_t) {
    int64_t words = 0;
    if (kind == Line::uv) ++counts.uvs;
    if (kind == Line::normal) ++counts.normals;
    if (kind == Line::uv || kind == Line::normal) return true;
    while ((p = next_word(p, stop))) {
      const char* end = skip_word(p, stop);
      if (kind == Line::face) {
        int slashes = 0;
        for (const char* c = p; c < end; ++c)
          if (*c == '/') counts.words_uv += ++slashes == 1 && c + 1 < end && c[1] != '/', counts.words_normal += slashes == 2 && c + 1 < end;
      }
      p = end;
      ++words;
    }
    if (kind == Line::face) ++counts.faces, counts.corners += words;
    if (kind == Line::vertex) ++counts.vertices, counts.colored += words >= 6;
    return true;
  });
  return counts;
}

ObjRead parse_obj(Text text, const ObjCounts& counts, const ObjArrays& out) {
  Reader reader{counts, out};
  ObjRead result = {ObjFault::none, 0};
  each_line(text, [&](Line kind, const char* p, const char* stop, int64_t number) {
    result.fault = kind == Line::face ? reader.face(p, stop) : reader.values(kind, p, stop);
    result.line = number;
    return result.fault == ObjFault::none;
  });
  return result;
}

}  // namespace gk
