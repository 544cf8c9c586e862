"""Images in fields that are trained: radial kernels, grids, sines; the plain alternatives to local cosines."""

from collections.abc import Callable
from time import process_time

from torch import Tensor

from geokit.errors import InvalidInput
from geokit.fields.field import Field
from geokit.fields.fit_network import fit_network, image_samples
from geokit.fields.grid_field import GridField
from geokit.fields.initialise import image_weights, kernels_for_budget, kernels_from_samples
from geokit.fields.radial import RadialField
from geokit.fields.radial_fit import fit_radial
from geokit.fields.siren import SirenField

_LAYERS = 4  # of sines
_SINE_RATE = 3e-4


def train_image(image: Tensor, model: str, parameters: int, cpu_seconds: float, seed: int = 0) -> Field:
    """A field of an image (H, W, c) of floats, 1 for white, trained for so many CPU seconds within the budget.

    model: a name of `MODELS`. Points are (x, y) in pixels. Raises `InvalidInput` for another model or shape, values
    that are not finite, and a budget that is too small.
    """
    if model not in MODELS:
        raise InvalidInput(f"the model must be one of {', '.join(MODELS)}, got {model!r}")
    points, values = image_samples(image)
    bounds = image.new_tensor([[0, 0], [image.shape[1], image.shape[0]]])
    return MODELS[model](image, bounds, (points, values), parameters, cpu_seconds, seed)


def _grids(image: Tensor, bounds: Tensor, samples: tuple[Tensor, Tensor], budget: int, time: float, seed: int) -> Field:
    field = GridField.with_budget(bounds, image.shape[2], budget, seed=seed)
    fit_network(field, image, cpu_seconds=time, seed=seed)
    return field


def _sines(image: Tensor, bounds: Tensor, samples: tuple[Tensor, Tensor], budget: int, time: float, seed: int) -> Field:
    def size(hidden: int) -> int:
        return 3 * hidden + (_LAYERS - 1) * hidden * (hidden + 1) + image.shape[2] * (hidden + 1)

    hidden = 0
    while size(hidden + 1) <= budget:
        hidden += 1
    if not hidden:
        raise InvalidInput(f"the budget is too small: sines take at least {size(1)} numbers, got {budget}; raise it")
    field = SirenField(bounds, image.shape[2], hidden, _LAYERS, seed=seed)
    fit_network(field, image, cpu_seconds=time, rate=_SINE_RATE, seed=seed)
    return field


def _radial(
    image: Tensor, bounds: Tensor, samples: tuple[Tensor, Tensor], budget: int, time: float, seed: int
) -> Field:
    began = process_time()
    points, values = samples
    count = min(kernels_for_budget(budget, 2, image.shape[2], kernel=_KERNEL, bias=image.shape[2]), len(points))
    kernels = kernels_from_samples(points, image_weights(image).flatten(), count, image.shape[2], _KERNEL, seed=seed)
    field = RadialField(bounds, kernels)
    left = max(time - (process_time() - began), 0.1)  # the start itself takes as long as it takes
    fit_radial(field, points, values, cpu_seconds=left, seed=seed)
    return field


_KERNEL = "wendland4"
MODELS: dict[str, Callable[[Tensor, Tensor, tuple[Tensor, Tensor], int, float, int], Field]] = {
    "grids": _grids,
    "radial": _radial,
    "sines": _sines,
}
