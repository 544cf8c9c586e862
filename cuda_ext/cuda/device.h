// What is known of the toolkit and of the driver; asking does not make a context.
#pragma once

namespace gk::cuda {

int toolkit_version();
int driver_version();

}  // namespace gk::cuda
