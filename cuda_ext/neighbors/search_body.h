// Searches of one group of queries, written once for every machine. Included by search_cpu.cpp, once a machine.

// Goes down the tree, the nearest child first, and calls scan(leaf). A child is left out if even a point of its smallest index in the nearest
// place of its box came after `worst()`: boxes and points round alike, so no neighbour is lost to rounding.
template <class T, class Worst, class Scan>
GK_WIDE void traverse(const PointTree<T>& tree, const T* q, Worst worst, Scan scan) {
  if (!tree.sizes.nodes) return;
  Visit<T> stack[kStack];
  int top = 0;
  int32_t node = 0;
  for (;;) {
    T d2[kLanes];
    const Lanes<T> to_boxes = distance_to_boxes(tree.boxes + int64_t(node) * 6 * kLanes, q);
    store(d2, to_boxes);
    const int32_t begin = tree.children[2 * node], end = tree.children[2 * node + 1];
    const int32_t* first_ids = tree.first_ids + int64_t(node) * kLanes;
    uint32_t hits = bits_at_most(to_boxes, Lanes<T>(worst().d2)) & ((1u << (end - begin)) - 1);
    const int bottom = top;
    for (; hits; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits);
      const Visit<T> visit = {{d2[lane], first_ids[lane]}, begin + lane, node >= tree.sizes.bottom};
      int i = top++;
      for (; i > bottom && stack[i - 1].nearest < visit.nearest; --i) stack[i] = stack[i - 1];
      stack[i] = visit;
    }
    for (;;) {
      if (!top) return;
      const Visit<T> visit = stack[--top];
      if (!(visit.nearest < worst())) continue;
      if (!visit.leaf) {
        node = visit.child;
        break;
      }
      scan(visit.child);
    }
  }
}

// Calls visit(id, q) for the queries of one group.
template <class T, class F> GK_WIDE void for_each_query(const QueryGroups<T>& queries, int64_t group, F visit) {
  for (int lane = 0; lane < kLanes; ++lane) {
    const int32_t id = queries.ids[group * kLanes + lane];
    if (id == kNone) return;
    const T* p = queries.points + group * 3 * kLanes + lane;
    const T q[3] = {p[0], p[kLanes], p[2 * kLanes]};
    visit(id, q);
  }
}

// Goes down the tree with all queries of a group, boxes nearest to its middle first; a box is visited for the queries
// that it can still give a neighbour. This pays while the group is small beside the boxes; returns false, having done
// nothing, if it is not.
template <int Vectors, class T> GK_WIDE bool search_together(const SearchInput<T>& in, int64_t group, int queries, Scratch<T>& s) {
  const PointTree<T>& tree = in.tree;
  const T* points = in.queries.points + group * 3 * kLanes;
  const int32_t* query_ids = in.queries.ids + group * kLanes;
  T low[3], high[3], middle[3];
  for (int a = 0; a < 3; ++a) {
    low[a] = *std::min_element(points + a * kLanes, points + a * kLanes + queries);
    high[a] = *std::max_element(points + a * kLanes, points + a * kLanes + queries);
    middle[a] = low[a] + (high[a] - low[a]) / 2;
  }
  GroupVisit<T> stack[kStack];
  int top = 0;
  int32_t node = 0;
  bool started = false;
  T reach = std::numeric_limits<T>::infinity();
  for (;;) {
    T d2[kLanes];
    const T* boxes = tree.boxes + int64_t(node) * 6 * kLanes;
    store(d2, distance_to_boxes(boxes, middle));
    const int32_t begin = tree.children[2 * node], end = tree.children[2 * node + 1];
    const int32_t* first_ids = tree.first_ids + int64_t(node) * kLanes;
    uint32_t hits = bits_at_most(distance_between(boxes, low, high), Lanes<T>(reach)) & ((1u << (end - begin)) - 1);
    if (!started && node >= tree.sizes.bottom) {
      T own = 0, other = 0;
      for (int a = 0; a < 3; ++a) {
        const T size = *std::max_element(boxes + (a + 3) * kLanes, boxes + (a + 3) * kLanes + (end - begin)) -
                       *std::min_element(boxes + a * kLanes, boxes + a * kLanes + (end - begin));
        own += (high[a] - low[a]) * (high[a] - low[a]), other += size * size;
      }
      if (own > other) return false;
      started = true;
    }
    const int bottom = top;
    for (; hits; hits &= hits - 1) {
      const int lane = __builtin_ctz(hits);
      const GroupVisit<T> visit = {{d2[lane], first_ids[lane]}, node, lane};
      int i = top++;
      for (; i > bottom && stack[i - 1].nearest < visit.nearest; --i) stack[i] = stack[i - 1];
      stack[i] = visit;
    }
    for (;;) {
      if (!top) return true;
      const GroupVisit<T> visit = stack[--top];
      const Lanes<T> to_queries = distance_to_queries(tree.boxes + int64_t(visit.node) * 6 * kLanes + visit.child, points);
      uint32_t wanted = bits_at_most(to_queries, load(s.bounds));
      if (!wanted) continue;
      store(d2, to_queries);
      const int32_t first_id = visit.nearest.id, child = tree.children[2 * visit.node] + visit.child;
      if (visit.node < tree.sizes.bottom) {
        while (wanted && d2[__builtin_ctz(wanted)] == s.bounds[__builtin_ctz(wanted)] && first_id > s.bound_ids[__builtin_ctz(wanted)])
          wanted &= wanted - 1;
        if (!wanted) continue;
        node = child;
        break;
      }
      for (; wanted; wanted &= wanted - 1) {
        const int lane = __builtin_ctz(wanted);
        if (d2[lane] == s.bounds[lane] && first_id > s.bound_ids[lane]) continue;
        const T q[3] = {points[lane], points[kLanes + lane], points[2 * kLanes + lane]};
        const NearestList<T> list = s.list(lane);
        scan_leaf<Vectors>(tree, child, q, in.exclude_self ? query_ids[lane] : -1, list);
        s.bounds[lane] = list.worst(), s.bound_ids[lane] = list.worst_id();
      }
      reach = largest(load(s.bounds));
    }
  }
}

template <int Vectors, class T> GK_WIDE void search_alone(const SearchInput<T>& in, const T* q, int32_t self, NearestList<T> list) {
  traverse(
      in.tree, q, [&]() GK_WIDE_LAMBDA { return Neighbor<T>{list.worst(), list.worst_id()}; },
      [&](int64_t leaf) GK_WIDE_LAMBDA { scan_leaf<Vectors>(in.tree, leaf, q, self, list); });
}

template <int Vectors, class T>
GK_WIDE void nearest_of_group(const SearchInput<T>& in, int64_t group, Scratch<T>& s, T* distances, int64_t* indices) {
  const int32_t* ids = in.queries.ids + group * kLanes;
  int queries = kLanes;
  while (ids[queries - 1] == kNone) --queries;
  s.clear(queries);
  if (!search_together<Vectors>(in, group, queries, s)) {
    int lane = 0;
    for_each_query(in.queries, group, [&](int32_t id, const T* q) GK_WIDE_LAMBDA {
      search_alone<Vectors>(in, q, in.exclude_self ? id : -1, s.list(lane++));
    });
  }
  for (int lane = 0; lane < queries; ++lane) {
    const NearestList<T> list = s.list(lane);
    const int64_t from = s.size - s.k, to = int64_t(ids[lane]) * s.k;
    for (int64_t i = 0; i < s.k; ++i) distances[to + i] = std::sqrt(list.d2[from + i]), indices[to + i] = list.ids[from + i];
  }
}

// Everything of one query within the radius; `found(id, d2)`.
template <class T, class Found>
GK_WIDE void within(const SearchInput<T>& in, const T* q, int32_t self, T radius2, Found found) {
  const Neighbor<T> worst = {radius2, kNone};
  traverse(in.tree, q, [&]() GK_WIDE_LAMBDA { return worst; },
           [&](int64_t leaf) GK_WIDE_LAMBDA {
             const Lanes<T> to_points = distance_to_points(in.tree.leaf_points + leaf * 3 * kLanes, q);
             const int32_t* ids = in.tree.leaf_ids + leaf * kLanes;
             T d2[kLanes];
             store(d2, to_points);
             for (uint32_t hits = bits_at_most(to_points, Lanes<T>(radius2)); hits; hits &= hits - 1) {
               const int lane = __builtin_ctz(hits);
               if (ids[lane] != self) found(ids[lane], d2[lane]);
             }
           });
}

template <class T> GK_WIDE void count_group(const SearchInput<T>& in, T radius2, int64_t group, int64_t* counts) {
  for_each_query(in.queries, group, [&](int32_t query, const T* q) GK_WIDE_LAMBDA {
    int64_t count = 0;
    within(in, q, in.exclude_self ? query : -1, radius2, [&](int32_t, T) GK_WIDE_LAMBDA { ++count; });
    counts[query] = count;
  });
}

template <class T>
GK_WIDE void fill_group(const SearchInput<T>& in, T radius2, int64_t group, const int64_t* offsets,
                          Found<T>& list, int64_t* indices, T* distances) {
  for_each_query(in.queries, group, [&](int32_t query, const T* q) GK_WIDE_LAMBDA {
    list.clear();
    within(in, q, in.exclude_self ? query : -1, radius2, [&](int32_t id, T d2) GK_WIDE_LAMBDA { list.push_back({id, d2}); });
    std::sort(list.begin(), list.end());
    const int64_t at = offsets[query];
    for (size_t j = 0; j < list.size(); ++j) indices[at + j] = list[j].first, distances[at + j] = std::sqrt(list[j].second);
  });
}
