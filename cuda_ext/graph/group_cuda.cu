// A radix sort of 32-bit keys and places by no more bits than the groups need: for 65,536 groups two passes of 16 bytes an
// edge, where a sort of 64-bit keys makes eight passes of 32.
#include <cub/cub.cuh>

#include <algorithm>

#include "../cuda/launch.h"
#include "group.h"

namespace gk::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    number(const int64_t* keys, int32_t things, int64_t groups, int32_t* narrow, int32_t* places, int32_t* wrong) {
  const int64_t i = thread_index();
  if (i >= things) return;
  const int64_t key = keys[i];
  narrow[i] = int32_t(key), places[i] = int32_t(i);
  if (key < 0 || key >= groups) atomicMin(wrong, int32_t(i));
}

// Group g begins at the first of the sorted keys that is not below g.
__global__ void __launch_bounds__(kThreads)
    write(const int32_t* sorted, const int32_t* places, int32_t things, int32_t groups, int64_t* offsets, int64_t* order) {
  const int64_t i = thread_index();
  if (i < things) order[i] = places[i];
  if (i > groups) return;
  int32_t first = 0, last = things;
  while (first < last) {
    const int32_t middle = first + (last - first) / 2;
    if (sorted[middle] < i) first = middle + 1;
    else last = middle;
  }
  offsets[i] = first;
}

int bits_of(int64_t groups) {
  int bits = 1;
  while (bits < 31 && int64_t(1) << bits < groups) ++bits;
  return bits;
}

void sort(cub::DoubleBuffer<int32_t>& keys, cub::DoubleBuffer<int32_t>& places, int64_t things, int64_t groups, void* bytes, size_t& size) {
  check(cub::DeviceRadixSort::SortPairs(bytes, size, keys, places, int32_t(things), 0, bits_of(groups), stream), "sorting");
}

}  // namespace

size_t group_bytes(int64_t things, int64_t groups) {
  cub::DoubleBuffer<int32_t> keys(nullptr, nullptr), places(nullptr, nullptr);
  size_t size = 0;
  sort(keys, places, things, groups, nullptr, size);
  return size;
}

void group(const int64_t* keys, int64_t things, int64_t groups, const GroupRoom& room, int64_t* offsets, int64_t* order, int32_t* wrong) {
  int32_t *narrow = room.numbers, *places = narrow + 2 * things;
  launch(number, blocks_for(things, kThreads), kThreads, 0, keys, things, groups, narrow, places, wrong);
  cub::DoubleBuffer<int32_t> keys_in_turn(narrow, narrow + things), places_in_turn(places, places + things);
  size_t size = room.size;
  if (things) sort(keys_in_turn, places_in_turn, things, groups, room.bytes, size);
  launch(write, blocks_for(std::max(things, groups + 1), kThreads), kThreads, 0, keys_in_turn.Current(), places_in_turn.Current(), things,
         groups, offsets, order);
}

}  // namespace gk::cuda
