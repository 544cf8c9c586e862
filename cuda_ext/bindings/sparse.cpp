// Bindings of the sparse factorization.
#include "../sparse/order.h"
#include "../sparse/residual.h"
#include "../sparse/solve.h"

#include "arrays.h"

namespace {


gk::SparsePattern pattern_of(const Longs& offsets, const Longs& columns) {
  const int64_t n = int64_t(offsets.size()) - 1;
  if (n < 0 || n >= 2147483647) throw std::invalid_argument("between 0 and 2147483646 rows can be factored");
  return {n, offsets.data(), GK_DATA(columns, offsets.data()[n])};
}

gk::Supernodes supernodes_of(const Ids& permutation, const Ids& first, const Ids& parent, const Longs& row_begin, const Longs& value_begin,
                             const int32_t* rows) {
  const int64_t n = int64_t(permutation.size()), count = int64_t(parent.size());
  return {n, count, permutation.data(), GK_DATA(first, count + 1), parent.data(), GK_DATA(row_begin, count + 1),
          GK_DATA(value_begin, count + 1), rows};
}

gk::Supernodes supernodes_of(const Ids& permutation, const Ids& first, const Ids& parent, const Longs& row_begin, const Longs& value_begin,
                             const Ids& rows) {
  return supernodes_of(permutation, first, parent, row_begin, value_begin, GK_DATA(rows, row_begin.data()[parent.size()]));
}

template <class T> void bind_residual(nb::module_& m) {
  define(m, "sparse_residual_squares", [](Longs offsets, Longs columns, Array<T> entries, Array<T> masses, Array<T> values, Array<T> functions,
                                          Output<T> squares) {
    const gk::SparsePattern pattern = pattern_of(offsets, columns);
    const int64_t count = int64_t(values.size());
    const gk::ResidualInput<T> in = {pattern, count, GK_DATA(entries, int64_t(columns.size())), GK_DATA(masses, pattern.size), values.data(),
                                     GK_DATA(functions, pattern.size * count)};
    T* s = GK_DATA(squares, 2 * count);
    nb::gil_scoped_release release;
    gk::residual_squares(in, s);
  });
}

template <class T> void bind_factor(nb::module_& m) {
  define(m, "sparse_factor", [](Longs offsets, Longs columns, Array<T> entries, bool definite, Ids permutation, Ids first, Ids parent,
                                Longs row_begin, Longs value_begin, Ids rows, Output<T> values, Output<T> signs) {
    const gk::SparsePattern pattern = pattern_of(offsets, columns);
    const gk::Supernodes plan = supernodes_of(permutation, first, parent, row_begin, value_begin, rows);
    if (plan.size != pattern.size) throw std::invalid_argument("the plan is that of another matrix");
    const gk::FactorInput<T> in = {pattern, GK_DATA(entries, int64_t(columns.size())), plan, definite};
    T *v = GK_DATA(values, plan.value_begin[plan.count] + gk::kFactorPadding), *s = GK_DATA(signs, plan.size);
    gk::FactorResult result;
    {
      nb::gil_scoped_release release;
      result = gk::factor(in, v, s);
    }
    return nb::make_tuple(result.failed, result.pivot, result.negative);
  });
  define(m, "sparse_solve", [](Ids permutation, Ids first, Ids parent, Longs row_begin, Longs value_begin, Ids rows, Array<T> values,
                               Array<T> signs, Array<T> right, bool by_columns, Output<T> solution) {
    const gk::Supernodes plan = supernodes_of(permutation, first, parent, row_begin, value_begin, rows);
    const T *v = GK_DATA(values, plan.value_begin[plan.count] + gk::kFactorPadding), *s = GK_DATA(signs, plan.size);
    const int64_t count = plan.size ? int64_t(right.size()) / plan.size : 0;
    const T* b = GK_DATA(right, plan.size * count);
    T* x = GK_DATA(solution, plan.size * count);
    nb::gil_scoped_release release;
    gk::solve(plan, v, s, b, by_columns ? gk::ColumnLayout{count, 1, plan.size} : gk::ColumnLayout{count, count, 1}, x);
  });
}

}  // namespace

void bind_sparse(nb::module_& m) {
  m.attr("SPARSE_FACTOR_PADDING") = gk::kFactorPadding;
  define(m, "sparse_twins", [](Longs offsets, Longs columns, LongsOut twins) {
    const gk::SparsePattern pattern = pattern_of(offsets, columns);
    int64_t* t = GK_DATA(twins, int64_t(columns.size()));
    nb::gil_scoped_release release;
    return gk::find_twins(pattern, t);
  });
  define(m, "sparse_order", [](Longs offsets, Longs columns, IdsOut order) {
    const gk::SparsePattern pattern = pattern_of(offsets, columns);
    int32_t* o = GK_DATA(order, pattern.size);
    nb::gil_scoped_release release;
    gk::minimum_degree(pattern, o);
  });
  define(m, "sparse_plan", [](Longs offsets, Longs columns, Ids order, IdsOut permutation, IdsOut first, IdsOut parent, LongsOut row_begin,
                              LongsOut value_begin) {
    const gk::SparsePattern pattern = pattern_of(offsets, columns);
    const int64_t n = pattern.size;
    const gk::SupernodesOutput out = {GK_DATA(permutation, n), GK_DATA(first, n + 1), GK_DATA(parent, n), GK_DATA(row_begin, n + 1),
                                      GK_DATA(value_begin, n + 1)};
    const int32_t* o = GK_DATA(order, n);
    nb::gil_scoped_release release;
    return gk::symbolic_plan(pattern, o, out);
  });
  define(m, "sparse_fill", [](Longs offsets, Longs columns, Ids permutation, Ids first, Ids parent, Longs row_begin, Longs value_begin, IdsOut rows) {
    const gk::SparsePattern pattern = pattern_of(offsets, columns);
    const gk::Supernodes plan = supernodes_of(permutation, first, parent, row_begin, value_begin, static_cast<const int32_t*>(nullptr));
    int32_t* r = GK_DATA(rows, plan.row_begin[plan.count]);
    nb::gil_scoped_release release;
    gk::symbolic_fill(pattern, plan, r);
  });
  bind_factor<float>(m), bind_factor<double>(m);
  bind_residual<float>(m), bind_residual<double>(m);
}
