// An order of elimination with little fill-in: approximate minimum degree (Amestoy, Davis, Duff 1996): contract.
#pragma once
#include "pattern.h"

namespace gk {

// order (N): order[k] is the row that is eliminated as number k. The pattern must be symmetric; its diagonal is not used.
void minimum_degree(const SparsePattern& a, int32_t* order);

}  // namespace gk
