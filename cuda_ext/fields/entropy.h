// Integers as few bytes: planes of values that are mostly small, coded bit by bit with probabilities that adapt.
#pragma once
#include <cstdint>
#include <vector>

namespace gk {

constexpr int kParents = 3;

// `count` planes of rows x columns; parents[p][i] is a plane before p whose values tell how large those of p will be, or -1.
struct Planes {
  int64_t count, rows, columns;
  const int32_t* parents;  // (count, kParents)
};

// Appends the code of values (count, rows, columns), each above -2^31, to `code`.
void encode_planes(const Planes& planes, const int32_t* values, std::vector<uint8_t>& code);

// The values that `code` stands for. Any bytes give some values: what ends too early goes on with zeros.
void decode_planes(const Planes& planes, const uint8_t* code, int64_t bytes, int32_t* values);

}  // namespace gk
