#include "rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gk {
namespace {

constexpr int64_t kCounterBytes[] = {0, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

template <class T> T loaded(const uint8_t* at, bool swapped) {
  uint8_t bytes[sizeof(T)];
  std::memcpy(bytes, at, sizeof(T));
  if (swapped) std::reverse(bytes, bytes + sizeof(T));
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

int64_t whole(double value) { return value >= 0 && value < 9e15 && value == std::floor(value) ? int64_t(value) : -1; }

// The length that a list begins with; negative where it is none.
int64_t length_at(const uint8_t* at, int32_t counter, bool swapped) {
  switch (counter) {
    case kI1: return loaded<int8_t>(at, swapped);
    case kU1: return loaded<uint8_t>(at, swapped);
    case kI2: return loaded<int16_t>(at, swapped);
    case kU2: return loaded<uint16_t>(at, swapped);
    case kI4: return loaded<int32_t>(at, swapped);
    case kU4: return loaded<uint32_t>(at, swapped);
    case kI8: return loaded<int64_t>(at, swapped);
    case kU8: return int64_t(std::min<uint64_t>(loaded<uint64_t>(at, swapped), INT64_MAX));
    case kF4: return whole(loaded<float>(at, swapped));
    case kF8: return whole(loaded<double>(at, swapped));
  }
  return -1;
}

}  // namespace

RowsMeasured measure_rows(const Rows& rows, int64_t* totals, int64_t* least, int64_t* most) {
  for (int64_t j = 0; j < rows.properties; ++j) totals[j] = 0, least[j] = INT64_MAX, most[j] = 0;
  int64_t place = rows.place;
  for (int64_t i = 0; i < rows.count; ++i) {
    int64_t at = place;
    for (int64_t j = 0; j < rows.properties; ++j) {
      int64_t length = 1;
      if (rows.counters[j] != kSingle) {
        const int64_t bytes = kCounterBytes[rows.counters[j]];
        if (bytes > rows.size - at) return {i, place};
        length = length_at(rows.data + at, rows.counters[j], rows.swapped);
        at += bytes;
      }
      if (length < 0 || length > INT32_MAX || length > (rows.size - at) / rows.item_bytes[j]) return {i, place};
      at += length * rows.item_bytes[j];
      totals[j] += length, least[j] = std::min(least[j], length), most[j] = std::max(most[j], length);
    }
    place = at;
  }
  return {rows.count, place};
}

void copy_rows(const Rows& rows, int64_t property, int32_t* lengths, uint8_t* items) {
  int64_t at = rows.place;
  for (int64_t i = 0; i < rows.count; ++i)
    for (int64_t j = 0; j < rows.properties; ++j) {
      const int64_t counter = kCounterBytes[rows.counters[j]];
      const int64_t length = counter ? length_at(rows.data + at, rows.counters[j], rows.swapped) : 1;
      const int64_t bytes = length * rows.item_bytes[j];
      at += counter;
      if (j == property) {
        lengths[i] = int32_t(length);
        std::memcpy(items, rows.data + at, size_t(bytes));
        items += bytes;
      }
      at += bytes;
    }
}

int64_t merge_rows(const uint32_t* rows, int64_t count, int64_t words, uint64_t seed, int32_t* table, int64_t slots, int64_t* ids,
                   int64_t* firsts) {
  int64_t different = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t* row = rows + i * words;
    uint64_t hash = seed;
    for (int64_t k = 0; k < words; ++k) {
      hash = (hash ^ row[k]) * 0x9E3779B97F4A7C15ull;
      hash ^= hash >> 29;
      hash *= 0xBF58476D1CE4E5B9ull;
      hash ^= hash >> 32;
    }
    int64_t slot = int64_t(hash) & (slots - 1);
    while (table[slot] >= 0 && std::memcmp(rows + firsts[table[slot]] * words, row, size_t(words) * 4)) slot = (slot + 1) & (slots - 1);
    if (table[slot] < 0) {
      table[slot] = int32_t(different);
      firsts[different++] = i;
    }
    ids[i] = table[slot];
  }
  return different;
}

}  // namespace gk
