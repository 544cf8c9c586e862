#include "device.h"

#include <cuda_runtime.h>

namespace gk::cuda {

int toolkit_version() { return CUDART_VERSION; }

int driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

}  // namespace gk::cuda
