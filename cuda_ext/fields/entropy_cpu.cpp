#include "entropy.h"

#include <algorithm>
#include <cstdlib>

namespace gk {
namespace {

constexpr int kUnary = 14;              // magnitudes up to here are coded in unary, each step with its own probability
constexpr int kNear = 9, kParent = 7;   // classes of what the neighbours and the parents are like
constexpr uint32_t kTop = 1u << 24;

// The probability of a zero bit, of 2^16: the mean of a fast and a slow estimate.
struct Bit {
  uint16_t fast = 1 << 15, slow = 1 << 15;
  uint32_t zero() const { return std::min(std::max((uint32_t(fast) + slow) >> 1, 24u), 65536u - 24u); }
  void see(int bit) {
    if (bit) fast -= fast >> 4, slow -= slow >> 7;
    else fast += (65535 - fast) >> 4, slow += (65535 - slow) >> 7;
  }
};

// A range coder with carries (Martin 1979), as bytes.
class Encoder {
 public:
  explicit Encoder(std::vector<uint8_t>& code) : code_(code) {}
  int operator()(Bit& model, int bit) {
    const uint32_t bound = uint32_t((uint64_t(range_) * model.zero()) >> 16);
    if (bit) low_ += bound, range_ -= bound;
    else range_ = bound;
    model.see(bit);
    narrow();
    return bit;
  }
  int even(int bit) {
    range_ >>= 1;
    if (bit) low_ += range_;
    narrow();
    return bit;
  }
  void finish() {
    for (int i = 0; i < 5; ++i) shift();
    while (!code_.empty() && code_.back() == 0) code_.pop_back();  // the decoder goes on with zeros
  }

 private:
  void narrow() {
    while (range_ < kTop) range_ <<= 8, shift();
  }
  void shift() {
    if (low_ < 0xFF000000u || low_ > 0xFFFFFFFFu) {
      const uint8_t carry = uint8_t(low_ >> 32);
      if (started_) code_.push_back(uint8_t(cache_ + carry));
      for (; pending_ > 0; --pending_) code_.push_back(uint8_t(0xFF + carry));
      cache_ = uint8_t(low_ >> 24), started_ = true;
    } else {
      ++pending_;
    }
    low_ = (low_ & 0x00FFFFFFu) << 8;
  }
  std::vector<uint8_t>& code_;
  uint64_t low_ = 0;
  uint32_t range_ = 0xFFFFFFFFu;
  int64_t pending_ = 0;
  uint8_t cache_ = 0;
  bool started_ = false;
};

class Decoder {
 public:
  Decoder(const uint8_t* code, int64_t bytes) : code_(code), end_(code + bytes) {
    for (int i = 0; i < 4; ++i) value_ = value_ << 8 | next();
  }
  int operator()(Bit& model, int) {
    const uint32_t bound = uint32_t((uint64_t(range_) * model.zero()) >> 16);
    const int bit = value_ >= bound;
    if (bit) value_ -= bound, range_ -= bound;
    else range_ = bound;
    model.see(bit);
    narrow();
    return bit;
  }
  int even(int) {
    range_ >>= 1;
    const int bit = value_ >= range_;
    if (bit) value_ -= range_;
    narrow();
    return bit;
  }

 private:
  void narrow() {
    while (range_ < kTop) range_ <<= 8, value_ = value_ << 8 | next();
  }
  uint8_t next() { return code_ < end_ ? *code_++ : 0; }
  const uint8_t *code_, *end_;
  uint32_t value_ = 0, range_ = 0xFFFFFFFFu;
};

int size_class(int64_t sum, int classes) {
  int c = 0;
  while (sum > 0 && c < classes - 1) sum = c < 2 ? sum - 1 : sum >> 1, ++c;
  return c;
}

struct Models {
  Bit magnitude[kNear][kParent][kUnary], length[kNear][32];

  // One value; `coder` writes the bits of `value`, or ignores them and returns those that it reads.
  template <class Coder> int32_t code(Coder& coder, int near, int parent, int32_t value) {
    const uint32_t size = uint32_t(std::abs(int64_t(value)));
    uint32_t seen = 0;
    while (seen < kUnary && coder(magnitude[near][parent][seen], size > seen)) ++seen;
    if (seen == kUnary) {  // the rest + 1 by its length and its bits (Elias 1975)
      const uint32_t rest = size - seen + 1;
      int bits = 0;
      while (bits < 30 && coder(length[near][bits], (rest >> bits) > 1)) ++bits;
      uint32_t read = 1;
      for (int i = bits - 1; i >= 0; --i) read = read << 1 | uint32_t(coder.even(rest >> i & 1));
      seen += read - 1;
    }
    return seen && coder.even(value < 0) ? -int32_t(seen) : int32_t(seen);
  }
};

// Visits all values in their order. What is known of a value before: its neighbours in the plane, and its parents.
template <class Coder> void walk(const Planes& planes, Coder& coder, const int32_t* known, int32_t* written) {
  const int64_t columns = planes.columns, size = planes.rows * columns;
  std::vector<Models> models(1);
  for (int64_t p = 0; p < planes.count; ++p)
    for (int64_t r = 0; r < planes.rows; ++r)
      for (int64_t c = 0; c < columns; ++c) {
        const int64_t at = p * size + r * columns + c;
        const auto magnitude = [&](int64_t i) { return std::abs(int64_t(known[i])); };
        int64_t near = 0, parent = 0;
        if (c > 0) near += 2 * magnitude(at - 1);
        if (r > 0) near += 2 * magnitude(at - columns);
        if (c > 0 && r > 0) near += magnitude(at - columns - 1);
        if (c + 1 < columns && r > 0) near += magnitude(at - columns + 1);
        for (int i = 0; i < kParents; ++i) {
          const int32_t other = planes.parents[p * kParents + i];
          if (other >= 0) parent += magnitude(other * size + r * columns + c);
        }
        const int32_t value = models[0].code(coder, size_class(near, kNear), size_class(parent, kParent), written ? 0 : known[at]);
        if (written) written[at] = value;
      }
}

}  // namespace

void encode_planes(const Planes& planes, const int32_t* values, std::vector<uint8_t>& code) {
  Encoder encoder(code);
  walk(planes, encoder, values, nullptr);
  encoder.finish();
}

void decode_planes(const Planes& planes, const uint8_t* code, int64_t bytes, int32_t* values) {
  Decoder decoder(code, bytes);
  walk(planes, decoder, values, values);
}

}  // namespace gk
