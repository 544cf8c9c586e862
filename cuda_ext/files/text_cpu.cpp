#include "text.h"

#include "scan.h"

namespace gk {

int64_t count_words(Text text) {
  int64_t words = 0;
  bool inside = false;
  for (const char *p = text.begin, *end = p + text.size; p < end; ++p) {
    const bool space = is_space(*p);
    words += !space && !inside;
    inside = !space;
  }
  return words;
}

NumbersRead parse_numbers(Text text, double* out, int64_t capacity) {
  const char *end = text.begin + text.size, *p = skip_space(text.begin, end);
  int64_t count = 0;
  for (; count < capacity && p < end; ++count) {
    const char* stop = read_number_word(p, end, out[count]);
    if (!stop) break;
    p = skip_space(stop, end);
  }
  return {count, p - text.begin};
}

void blank_comments(char* text, int64_t size) {
  bool inside = false;
  for (char *p = text, *end = text + size; p < end; ++p) {
    inside = *p == '#' || (inside && *p != '\n');
    if (inside) *p = ' ';
  }
}

FaceLines parse_face_lines(Text text, int64_t faces, int32_t* lengths, double* items, int64_t capacity) {
  const char *end = text.begin + text.size, *p = text.begin;
  FaceLines read = {0, 0};
  for (; read.faces < faces; ++read.faces) {
    p = skip_space(p, end);
    double count = 0;
    p = p < end ? read_number_word(p, end, count) : nullptr;
    if (!p || !(count >= 0 && count <= double(capacity - read.items)) || count != double(int64_t(count))) return read;
    for (int64_t i = 0; i < int64_t(count); ++i) {
      p = skip_blanks(p, end);
      p = p < end && *p != '\n' ? read_number_word(p, end, items[read.items + i]) : nullptr;
      if (!p) return read;
    }
    if (count > 2147483647.0) return read;
    lengths[read.faces] = int32_t(count);
    read.items += int64_t(count);
    while (p < end && *p != '\n') ++p;
  }
  return read;
}

namespace {

struct StlCursor {
  const char *begin, *p, *end;
  bool word(std::string_view name) {
    p = skip_space(p, end);
    if (!is_word(p, end, name)) return false;
    p += name.size();
    return true;
  }
  bool numbers(double* out) {
    for (int i = 0; i < 3; ++i) {
      p = skip_space(p, end);
      const char* stop = read_number_word(p, end, out[i]);
      if (!stop) return false;
      p = stop;
    }
    return true;
  }
  void skip_line() {
    while (p < end && *p != '\n') ++p;
  }
  StlRead stop(StlFault fault, int64_t corners) {
    p = skip_space(p, end);
    return {fault == StlFault::none || p < end ? fault : StlFault::truncated, corners, p - begin};
  }
};

}  // namespace

StlRead parse_stl(Text text, double* out, int64_t capacity) {
  StlCursor at = {text.begin, text.begin, text.begin + text.size};
  int64_t corners = 0;
  double normal[3];
  if (!at.word("solid")) return at.stop(StlFault::word, 0);
  at.skip_line();
  for (;;) {
    if (at.word("facet")) {
      if (!at.word("normal")) return at.stop(StlFault::word, corners);
      if (!at.numbers(normal)) return at.stop(StlFault::number, corners);
      if (!at.word("outer") || !at.word("loop")) return at.stop(StlFault::word, corners);
      for (int i = 0; i < 3; ++i, ++corners) {
        if (corners == capacity) return at.stop(StlFault::word, corners);
        if (!at.word("vertex")) return at.stop(StlFault::not_a_triangle, corners);
        if (!at.numbers(out + 3 * corners)) return at.stop(StlFault::number, corners);
      }
      if (!at.word("endloop")) return at.stop(StlFault::not_a_triangle, corners);
      if (!at.word("endfacet")) return at.stop(StlFault::word, corners);
    } else if (at.word("endsolid")) {
      at.skip_line();
      at.p = skip_space(at.p, at.end);
      if (at.p == at.end) return at.stop(StlFault::none, corners);
      if (!at.word("solid")) return at.stop(StlFault::word, corners);
      at.skip_line();
    } else {
      return at.stop(StlFault::word, corners);
    }
  }
}

}  // namespace gk
