// The two steps of a search that a compiler does not find by itself, with AVX-512. Included by search_cpu.cpp.

GK_WIDE uint32_t bits_at_most(const Lanes<float>& a, const Lanes<float>& b) {
  return _mm512_cmp_ps_mask((__m512)a.v, (__m512)b.v, _CMP_LE_OQ);
}
GK_WIDE uint32_t bits_at_most(const Lanes<double>& a, const Lanes<double>& b) {
  double x[kLanes], y[kLanes];
  store(x, a), store(y, b);
  const uint32_t low = _mm512_cmp_pd_mask(_mm512_loadu_pd(x), _mm512_loadu_pd(y), _CMP_LE_OQ);
  return low | uint32_t(_mm512_cmp_pd_mask(_mm512_loadu_pd(x + 8), _mm512_loadu_pd(y + 8), _CMP_LE_OQ)) << 8;
}

// A register of squared distances and one of indices.
template <class T> struct Register;
template <> struct Register<float> {
  static constexpr int kWidth = 16;
  using Bits = __mmask16;
  __m512 d2;
  __m512i ids;
  static GK_WIDE Register all(float d2, int32_t id) { return {_mm512_set1_ps(d2), _mm512_set1_epi32(id)}; }
  static GK_WIDE Register load(const float* d2, const int32_t* ids) { return {_mm512_loadu_ps(d2), _mm512_loadu_si512(ids)}; }
  GK_WIDE void store(float* to, int32_t* to_ids) const { _mm512_storeu_ps(to, d2), _mm512_storeu_si512(to_ids, ids); }
  // Places that come after the point.
  GK_WIDE Bits after(const Register& point) const {
    const Bits as_far = _mm512_cmp_ps_mask(d2, point.d2, _CMP_EQ_OQ);
    return _mm512_cmp_ps_mask(d2, point.d2, _CMP_GT_OQ) | _mm512_mask_cmpgt_epi32_mask(as_far, ids, point.ids);
  }
  // Every place moved up by one, the first filled from the register below.
  GK_WIDE Register shifted(const Register& below) const {
    const __m512i bits = _mm512_alignr_epi32(_mm512_castps_si512(d2), _mm512_castps_si512(below.d2), 15);
    return {_mm512_castsi512_ps(bits), _mm512_alignr_epi32(ids, below.ids, 15)};
  }
  GK_WIDE Register chosen(Bits bits, const Register& other) const {
    return {_mm512_mask_mov_ps(d2, bits, other.d2), _mm512_mask_mov_epi32(ids, bits, other.ids)};
  }
};
template <> struct Register<double> {
  static constexpr int kWidth = 8;
  using Bits = __mmask8;
  __m512d d2;
  __m512i ids;
  static GK_WIDE Register all(double d2, int64_t id) { return {_mm512_set1_pd(d2), _mm512_set1_epi64(id)}; }
  static GK_WIDE Register load(const double* d2, const int64_t* ids) { return {_mm512_loadu_pd(d2), _mm512_loadu_si512(ids)}; }
  GK_WIDE void store(double* to, int64_t* to_ids) const { _mm512_storeu_pd(to, d2), _mm512_storeu_si512(to_ids, ids); }
  GK_WIDE Bits after(const Register& point) const {
    const Bits as_far = _mm512_cmp_pd_mask(d2, point.d2, _CMP_EQ_OQ);
    return _mm512_cmp_pd_mask(d2, point.d2, _CMP_GT_OQ) | _mm512_mask_cmpgt_epi64_mask(as_far, ids, point.ids);
  }
  GK_WIDE Register shifted(const Register& below) const {
    const __m512i bits = _mm512_alignr_epi64(_mm512_castpd_si512(d2), _mm512_castpd_si512(below.d2), 7);
    return {_mm512_castsi512_pd(bits), _mm512_alignr_epi64(ids, below.ids, 7)};
  }
  GK_WIDE Register chosen(Bits bits, const Register& other) const {
    return {_mm512_mask_mov_pd(d2, bits, other.d2), _mm512_mask_mov_epi64(ids, bits, other.ids)};
  }
};

// Puts a point into a list in registers: every place after it moves up by one.
template <int Count, class T> GK_WIDE void insert(Register<T>* list, const Register<T>& point) {
  using R = Register<T>;
  typename R::Bits after[Count];
  for (int r = 0; r < Count; ++r) after[r] = list[r].after(point);
  for (int r = Count - 1; r >= 0; --r) {
    const unsigned carry = r ? after[r - 1] >> (R::kWidth - 1) : 0;
    const auto before_too = typename R::Bits(after[r] << 1 | carry);
    list[r] = list[r].chosen(after[r], point.chosen(before_too, list[r].shifted(list[r ? r - 1 : 0])));
  }
}

// Puts the points of a leaf into a list of the nearest, which has `Vectors` times sixteen places.
template <int Vectors, class T>
GK_WIDE void scan_leaf(const PointTree<T>& tree, int64_t leaf, const T* q, int32_t self, const NearestList<T>& list) {
  const Lanes<T> to_points = distance_to_points(tree.leaf_points + leaf * 3 * kLanes, q);
  const int32_t* ids = tree.leaf_ids + leaf * kLanes;
  uint32_t hits = bits_at_most(to_points, Lanes<T>(list.worst()));
  hits &= ~uint32_t(_mm512_cmpeq_epi32_mask(_mm512_loadu_si512(ids), _mm512_set1_epi32(self)));
  if (!hits) return;
  T d2[kLanes];
  store(d2, to_points);
  constexpr int kCount = Vectors * kLanes / Register<T>::kWidth;
  Register<T> places[kCount];
  for (int r = 0; r < kCount; ++r)
    places[r] = Register<T>::load(list.d2 + r * Register<T>::kWidth, list.ids + r * Register<T>::kWidth);
  for (; hits; hits &= hits - 1) {
    const int lane = __builtin_ctz(hits);
    insert<kCount>(places, Register<T>::all(d2[lane], ids[lane]));
  }
  for (int r = 0; r < kCount; ++r) places[r].store(list.d2 + r * Register<T>::kWidth, list.ids + r * Register<T>::kWidth);
}
