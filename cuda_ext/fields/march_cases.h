// The triangles of marching cubes for each of the 256 ways in which eight corners are inside or outside.
//
// Corner c of a cube is at (c & 1, c >> 1 & 1, c >> 2 & 1). Edge 4 a + n runs along axis a from the n-th of the four corners
// whose bit a is zero, in ascending order. The cases are made from the faces, not listed: on every face the corners inside
// are cut off run by run, and the cuts are followed from face to face until they close; seen from inside, they turn left.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace gk {

struct MarchCases {
  std::array<std::vector<std::array<uint8_t, 3>>, 256> triangles;  // edges of the corners

  static int lower_end(int edge) {
    const int axis = edge / 4, n = edge % 4, low = n & 1, high = n >> 1;
    return axis == 0 ? low << 1 | high << 2 : axis == 1 ? low | high << 2 : low | high << 1;
  }

  MarchCases() {
    int edge_of[8][8];
    for (int edge = 0; edge < 12; ++edge) {
      const int low = lower_end(edge), high = low | 1 << (edge / 4);
      edge_of[low][high] = edge_of[high][low] = edge;
    }
    for (int inside = 0; inside < 256; ++inside) {
      int next[12], faces_of[12] = {};
      for (int& n : next) n = -1;
      for (int axis = 0; axis < 3; ++axis)
        for (int side = 0; side < 2; ++side) {
          const int u = 1 << (axis + 1) % 3, v = 1 << (axis + 2) % 3, base = side << axis;
          int ring[4] = {base, base | u, base | u | v, base | v};  // counter-clockwise from outside where side is 1
          if (!side) std::swap(ring[1], ring[3]);
          for (int i = 0; i < 4; ++i) {
            const int leaves = edge_of[ring[i]][ring[(i + 1) % 4]];
            faces_of[leaves] |= 1 << (2 * axis + side);
            if (!(inside >> ring[i] & 1) || (inside >> ring[(i + 1) % 4] & 1)) continue;
            int first = i;  // of the run of corners inside that ends here
            while (inside >> ring[(first + 3) % 4] & 1) first = (first + 3) % 4;
            next[leaves] = edge_of[ring[(first + 3) % 4]][ring[first]];
          }
        }
      for (int start = 0; start < 12; ++start) {
        std::vector<int> loop;
        for (int edge = start; next[edge] >= 0;) {
          loop.push_back(edge);
          const int after = next[edge];
          next[edge] = -1;
          edge = after;
        }
        if (loop.size() > 2) fan(loop, faces_of, triangles[inside]);
      }
    }
  }

 private:
  // From the corner none of whose diagonals lies in a face, where the neighbouring cube might have the same one.
  static void fan(const std::vector<int>& loop, const int* faces_of, std::vector<std::array<uint8_t, 3>>& out) {
    const int size = int(loop.size());
    int best = 0, fewest = size;
    for (int start = 0; start < size; ++start) {
      int shared = 0;
      for (int i = 2; i < size - 1; ++i) shared += (faces_of[loop[start]] & faces_of[loop[(start + i) % size]]) != 0;
      if (shared < fewest) best = start, fewest = shared;
    }
    for (int i = 1; i < size - 1; ++i)
      out.push_back({uint8_t(loop[best]), uint8_t(loop[(best + i + 1) % size]), uint8_t(loop[(best + i) % size])});
  }
};

}  // namespace gk
