"""Reading from a GPU, which computes while Python goes on: who reads a value waits for everything before it."""

import torch
from torch import Tensor


def runs_ahead(device: torch.device) -> bool:
    """Whether Python hands its work to the device and goes on, so that to read a value back is to wait."""
    return device.type != "cpu"


class LateReading:
    """A whole number on a device, read without waiting: asked for now, here some steps later."""

    def __init__(self) -> None:
        self._place: Tensor | None = None  # in main memory, where the GPU writes it
        self._event: torch.cuda.Event | None = None
        self._asked = False

    def ask(self, number: Tensor) -> None:
        """Begin to read `number` (1,) as it is after the work so far, unless an answer is still on its way."""
        if self._asked:
            return
        if number.device.type == "cuda":
            if self._place is None or self._event is None:
                self._place, self._event = torch.zeros(1, dtype=number.dtype, pin_memory=True), torch.cuda.Event()
            self._place.copy_(number, non_blocking=True)
            self._event.record(torch.cuda.current_stream(number.device))
        else:
            self._place = number.clone()
        self._asked = True

    def answer(self) -> int | None:
        """The number that was asked for, once; None while it is on its way."""
        if not self._asked or self._place is None or (self._event is not None and not self._event.query()):
            return None
        self._asked = False
        return int(self._place)

    def forget(self) -> None:
        """Do without the answer that is on its way."""
        self._asked = False
