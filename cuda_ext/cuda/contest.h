// The best of many offers for each of many places, whatever order they come in: the highest rank, of equal ones the lowest id.
//
// In float32 rank and id are one word, and one sweep over the offers finds the best. In float64 a first sweep finds the
// highest ranks, a second the lowest ids among the offers of that rank.
#pragma once
#include "launch.h"

namespace gk::cuda {

using Word = unsigned long long;

// Orders values that are not negative; the complement of a rank is the rank of the opposite order.
__device__ __forceinline__ uint32_t rank_of(float value) { return __float_as_uint(value); }
__device__ __forceinline__ uint64_t rank_of(double value) { return uint64_t(__double_as_longlong(value)); }
__device__ __forceinline__ float value_of_rank(uint32_t rank) { return __uint_as_float(rank); }
__device__ __forceinline__ double value_of_rank(uint64_t rank) { return __longlong_as_double(int64_t(rank)); }

// A word of 0 is a place without an offer: ranks are stored with 1 added, so the highest of all is not to be used.
template <class T> class Contest;

template <> class Contest<float> {
 public:
  using Rank = uint32_t;
  static constexpr int kSweeps = 1;
  static int64_t words(int64_t places) { return places; }
  Contest(int64_t* zeros, int64_t) : words_(reinterpret_cast<Word*>(zeros)) {}

  // A stale look at the best so far costs an atomic operation too many, never a wrong result.
  __device__ void offer(int, int64_t place, Rank rank, uint32_t id) const {
    const Word word = Word(rank + 1) << 32 | uint32_t(~id);
    if (word > words_[place]) atomicMax(words_ + place, word);
  }
  __device__ bool best(int64_t place, Rank& rank, uint32_t& id) const {
    const Word word = words_[place];
    rank = Rank(word >> 32) - 1, id = ~uint32_t(word);
    return word != 0;
  }

 private:
  Word* words_;
};

template <> class Contest<double> {
 public:
  using Rank = uint64_t;
  static constexpr int kSweeps = 2;
  static int64_t words(int64_t places) { return places + (places + 1) / 2; }
  Contest(int64_t* zeros, int64_t places) : ranks_(reinterpret_cast<Word*>(zeros)), ids_(reinterpret_cast<unsigned*>(zeros + places)) {}

  __device__ void offer(int sweep, int64_t place, Rank rank, uint32_t id) const {
    if (sweep == 0) {
      if (rank + 1 > ranks_[place]) atomicMax(ranks_ + place, Word(rank + 1));
    } else if (rank + 1 == ranks_[place]) {
      atomicMax(ids_ + place, unsigned(~id));
    }
  }
  __device__ bool best(int64_t place, Rank& rank, uint32_t& id) const {
    rank = ranks_[place] - 1, id = ~ids_[place];
    return ranks_[place] != 0;
  }

 private:
  Word* ranks_;
  unsigned* ids_;
};

}  // namespace gk::cuda
