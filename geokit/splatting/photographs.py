"""Where the photographs of a training run are: on the GPU where they fit, else in main memory, brought step by step."""

from collections.abc import Sequence

import torch
from torch import Tensor

from geokit.splatting.reading import runs_ahead

_MOST = 1 / 3  # of the GPU's free memory: the splats will grow


def placed(photographs: Sequence[Sequence[Tensor]], device: torch.device) -> list[list[Tensor]]:
    """The photographs, a list for each size, on the device if they fill no more than a third of what is free there.

    Else they are in main memory that a GPU reads by itself (pinned).
    """
    if not runs_ahead(device):
        return [list(pictures) for pictures in photographs]
    total = sum(picture.numel() for pictures in photographs for picture in pictures)
    if device.type == "cuda" and total > _MOST * _free(device):
        return [[picture.cpu().pin_memory() for picture in pictures] for pictures in photographs]
    return [[picture.to(device) for picture in pictures] for pictures in photographs]


def _free(device: torch.device) -> int:
    """Bytes of the GPU's memory that nobody holds; what torch keeps for later use is given back first."""
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info(device)[0]


class Carrier:
    """Brings photographs to the device, one ahead of the step that needs it, beside the computation."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None
        self._coming: tuple[Tensor, Tensor] | None = None  # in main memory, on the device

    def expect(self, photograph: Tensor) -> None:
        """Begin to bring what the next step takes."""
        if photograph.device.type == self._device.type:
            return
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)
        with torch.cuda.stream(self._stream):
            self._coming = photograph, photograph.to(self._device, non_blocking=True)

    def take(self, photograph: Tensor) -> Tensor:
        """The photograph on the device."""
        if photograph.device.type == self._device.type:
            return photograph
        coming, self._coming = self._coming, None
        if coming is None or coming[0] is not photograph or self._stream is None:
            return photograph.to(self._device, non_blocking=True)
        now = torch.cuda.current_stream(self._device)
        now.wait_stream(self._stream)
        coming[1].record_stream(now)  # its memory goes back to the other stream's pool only after this step
        return coming[1]
