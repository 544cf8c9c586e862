// Rows of binary values of which some are lists, and rows that are equal: contracts.
#pragma once
#include <cstdint>

namespace gk {

// `count` rows from `place` in data (size,), each of `properties` values one after the other. counters (P,): the code of
// the type that counts a list, 0 for a single value. item_bytes (P,): the size of one value. swapped: whether the bytes
// of numbers run against the machine's order.
enum Counter : int32_t { kSingle, kI1, kU1, kI2, kU2, kI4, kU4, kI8, kU8, kF4, kF8 };
struct Rows {
  const uint8_t* data;
  int64_t size, place, count, properties;
  const int32_t* counters;
  const int64_t* item_bytes;
  bool swapped;
};

// totals, least, most (P,): values of each property over all rows, and the lengths of its shortest and longest list.
// Stops at the first row that does not fit into the data or whose count is negative or no whole number.
struct RowsMeasured {
  int64_t rows, place;  // rows that fit; where they end
};
RowsMeasured measure_rows(const Rows& rows, int64_t* totals, int64_t* least, int64_t* most);

// The values of one property of rows that have been measured: lengths (count,) and items (total bytes), as they stand.
void copy_rows(const Rows& rows, int64_t property, int32_t* lengths, uint8_t* items);

// ids (N,): for each row the number of the first equal row among the different ones, in the order they come; returns how
// many are different. Rows are `words` words of 32 bits, compared by their bits. table (slots,): scratch of a power of two
// that is at least 2 N, filled with -1. seed: changes the order of the table, never the result.
int64_t merge_rows(const uint32_t* rows, int64_t count, int64_t words, uint64_t seed, int32_t* table, int64_t slots, int64_t* ids,
                   int64_t* firsts);

}  // namespace gk
