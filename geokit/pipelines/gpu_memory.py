"""What to say when a job does not fit into the memory of the GPU."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from geokit.errors import OutOfMemory


@contextmanager
def memory_explained(device: torch.device, sentence: Callable[[], str]) -> Iterator[None]:
    """Inside the block a GPU without memory raises `OutOfMemory` with how large it is and that `sentence`."""
    try:
        yield
    except (torch.OutOfMemoryError, OutOfMemory) as error:
        if device.type != "cuda":
            raise
        torch.cuda.empty_cache()
        raise OutOfMemory(f"the GPU has too little memory ({gib(device)}) {sentence()}") from error


def gib(device: torch.device) -> str:
    """How much memory the GPU has, and how much of it is free, in words."""
    free, total = torch.cuda.mem_get_info(device)
    return f"{total / 2**30:.1f} GiB, {free / 2**30:.1f} of it free now"
