// The two steps of a search that a compiler does not find by itself, for any machine. Included by search_cpu.cpp.

template <class T> GK_WIDE uint32_t bits_at_most(const Lanes<T>& a, const Lanes<T>& b) {
  return bits_of(a <= b, bit_values<T>());
}

// Puts the points of a leaf into a list of the nearest.
template <int Vectors, class T>
GK_WIDE void scan_leaf(const PointTree<T>& tree, int64_t leaf, const T* q, int32_t self, const NearestList<T>& list) {
  const Lanes<T> to_points = distance_to_points(tree.leaf_points + leaf * 3 * kLanes, q);
  const int32_t* ids = tree.leaf_ids + leaf * kLanes;
  uint32_t hits = bits_at_most(to_points, Lanes<T>(list.worst()));
  T d2[kLanes];
  store(d2, to_points);
  for (; hits; hits &= hits - 1) {
    const int lane = __builtin_ctz(hits);
    if (ids[lane] == self) continue;
    int64_t i = list.size;
    if (!comes_before(d2[lane], ids[lane], list.d2[i - 1], list.ids[i - 1])) continue;
    for (--i; comes_before(d2[lane], ids[lane], list.d2[i - 1], list.ids[i - 1]); --i)
      list.d2[i] = list.d2[i - 1], list.ids[i] = list.ids[i - 1];
    list.d2[i] = d2[lane], list.ids[i] = ids[lane];
  }
}
