// Numbers written as text, and the two text formats that are more than a table of numbers: contracts.
//
// Nothing here trusts its input: every step is checked against the end of the text, a fault gives the place where it is.
#pragma once
#include <cstdint>

namespace gk {

struct Text {
  const char* begin;
  int64_t size;
};

// How many runs of characters between white space there are.
int64_t count_words(Text text);

// Numbers between white space into out (capacity,): how many there were before the end, the first word that is no number,
// or the first number too many; `place` is where reading stopped.
struct NumbersRead {
  int64_t count, place;
};
NumbersRead parse_numbers(Text text, double* out, int64_t capacity);

// Blanks what follows a '#' up to the end of its line, in place.
void blank_comments(char* text, int64_t size);

// `faces` lines that begin with a count of corners: lengths (faces,), items (capacity,) the corners, what follows them in a
// line passed over. Stops at the first line that has no whole count, fewer words or no number.
struct FaceLines {
  int64_t faces, items;
};
FaceLines parse_face_lines(Text text, int64_t faces, int32_t* lengths, double* items, int64_t capacity);

// What an .obj holds. `words_uv` and `words_normal` count the corners that name one.
struct ObjCounts {
  int64_t vertices, colored, uvs, normals, faces, corners, words_uv, words_normal;
};
ObjCounts count_obj(Text text);

// Places for what was counted; colours, and the uv and normal indices of the corners, may be null.
struct ObjArrays {
  double *vertices, *colors, *uvs, *normals;      // (V, 3), (V, 3), (U, 2), (N, 3)
  int32_t *lengths;                               // (F,) corners a face
  int32_t *corners, *corner_uvs, *corner_normals; // (C,) from 0; -1 where a corner names none
};
enum class ObjFault : int { none, number, too_few, index, zero_index, out_of_range, changed };
struct ObjRead {
  ObjFault fault;
  int64_t line;  // from 1
};
ObjRead parse_obj(Text text, const ObjCounts& counts, const ObjArrays& out);

// The corners of an ascii .stl, three a facet, into out (capacity, 3).
enum class StlFault : int { none, word, number, not_a_triangle, truncated };
struct StlRead {
  StlFault fault;
  int64_t corners, place;
};
StlRead parse_stl(Text text, double* out, int64_t capacity);

}  // namespace gk
