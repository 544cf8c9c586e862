// Stepping through text that nobody vouches for.
#pragma once
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>

namespace gk {

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f'; }
inline bool is_space(char c) { return is_blank(c) || c == '\n'; }

inline const char* skip_space(const char* p, const char* end) {
  while (p < end && is_space(*p)) ++p;
  return p;
}
inline const char* skip_blanks(const char* p, const char* end) {
  while (p < end && is_blank(*p)) ++p;
  return p;
}
inline const char* skip_word(const char* p, const char* end) {
  while (p < end && !is_space(*p)) ++p;
  return p;
}

// A decimal number beyond the range of a double: zero, or infinite, by its decimal exponent.
inline double beyond_range(const char* p, const char* end) {
  const bool negative = p < end && *p == '-';
  int64_t digits = 0, exponent = 0;  // digits before the point, counted from the first that is not zero
  bool started = false, point = false;
  for (p += negative; p < end; ++p) {
    if (*p == '.') point = true;
    else if (*p >= '0' && *p <= '9') {
      started |= *p != '0';
      digits += started && !point ? 1 : (!started && point ? -1 : 0);
    } else break;
  }
  if (p < end && (*p == 'e' || *p == 'E')) {
    const bool down = ++p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) ++p;
    for (; p < end && *p >= '0' && *p <= '9'; ++p) exponent = exponent < 1000000000 ? 10 * exponent + (*p - '0') : exponent;
    exponent = down ? -exponent : exponent;
  }
  const double size = digits + exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
  return negative ? -size : size;
}

// Reads one number, by the shortest rounding and whatever the locale; where it ends, or null where there is none.
inline const char* read_number(const char* p, const char* end, double& value) {
  if (p < end && *p == '+' && p + 1 < end && p[1] != '-') ++p;
#if defined(__cpp_lib_to_chars)
  const auto [stop, error] = std::from_chars(p, end, value);
  if (error == std::errc::invalid_argument) return nullptr;
  if (error == std::errc::result_out_of_range) value = beyond_range(p, stop);
  return stop;
#else
  const std::string word(p, skip_word(p, end));  // strtod wants an end of its own
  char* stop = nullptr;
  value = std::strtod(word.c_str(), &stop);
  return stop == word.c_str() ? nullptr : p + (stop - word.c_str());
#endif
}

// The same for a number that a space or the end must follow.
inline const char* read_number_word(const char* p, const char* end, double& value) {
  const char* stop = read_number(p, end, value);
  return stop && (stop == end || is_space(*stop)) ? stop : nullptr;
}

// Whether the word at p, taken in lower case, is `name`.
inline bool is_word(const char* p, const char* end, std::string_view name) {
  const char* stop = skip_word(p, end);
  if (stop - p != int64_t(name.size())) return false;
  for (char wanted : name)
    if ((*p >= 'A' && *p <= 'Z' ? *p + ('a' - 'A') : *p) != wanted) return false;
    else ++p;
  return true;
}

}  // namespace gk
