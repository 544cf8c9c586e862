// The transform of one simplex along a row of frequencies, over its weight: contract.
#pragma once

namespace gk {

constexpr int kRow = 128;  // frequencies of a row that a task covers, at most

// Of each corner: phases less those of the first corner, and exp(-i phase) of the phases themselves. Both are filled up to a
// multiple of 16 frequencies. `linear`: phases grow by the same amount from one frequency to the next.
template <class T> struct PhaseRow {
  int corners, count;
  bool linear;
  alignas(64) T phase[4][kRow];
  alignas(64) T phasor[4][2][kRow];
};

// values (2, kRow): real and imaginary parts of phi_J, J = corners - 1, up to a multiple of 16 frequencies.
void simplex_values(const PhaseRow<float>& row, float* values);
void simplex_values(const PhaseRow<double>& row, double* values);
// And slopes (corners, 2, kRow): i times the derivatives by the corners' phases.
void simplex_slopes(const PhaseRow<float>& row, float* values, float* slopes);
void simplex_slopes(const PhaseRow<double>& row, double* values, double* slopes);

}  // namespace gk
