"""The entropy coder: lossless for any integers, near the entropy, and safe with any bytes."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from geokit.backend.entropy_ops import decode_planes, encode_planes
from geokit.errors import InvalidInput


def orphans(planes: int) -> Tensor:
    return torch.full((planes, 3), -1, dtype=torch.int32)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_lossless(data: st.DataObject) -> None:
    shape = [data.draw(st.integers(0, 5)) for _ in range(3)]
    count = math.prod(shape)
    integers = st.integers(-(2**31) + 1, 2**31 - 1) | st.integers(-20, 20)
    values = torch.tensor(data.draw(st.lists(integers, min_size=count, max_size=count)), dtype=torch.int32).reshape(
        shape
    )
    parents = torch.tensor(
        [[data.draw(st.integers(-1, p - 1)) for _ in range(3)] for p in range(shape[0])], dtype=torch.int32
    ).reshape(shape[0], 3)
    assert torch.equal(decode_planes(encode_planes(values, parents), parents, *shape[1:]), values)


def test_near_the_entropy() -> None:
    """Values of a known law: within 3 % of what Shannon allows, and far below it where parents tell more."""
    g = torch.Generator().manual_seed(0)
    sizes = torch.distributions.Geometric(probs=torch.tensor(0.6))
    torch.manual_seed(0)
    values = (sizes.sample((1, 400, 400)) * (1 - 2 * torch.randint(0, 2, (1, 400, 400), generator=g))).to(torch.int32)
    magnitude = -sum(0.6 * 0.4**k * math.log2(0.6 * 0.4**k) for k in range(60))
    entropy = (magnitude + 0.4) * values.numel() / 8  # and a sign where there is one
    assert entropy <= len(encode_planes(values, orphans(1))) < 1.03 * entropy
    zero = torch.zeros(64, 50, 50, dtype=torch.int32)
    assert len(encode_planes(zero, orphans(64))) < 60
    scale = torch.randint(0, 2, (1, 200, 200), generator=g) * 40
    pair = torch.cat([scale, scale // 2 * (1 - 2 * torch.randint(0, 2, scale.shape, generator=g))]).to(torch.int32)
    known = torch.tensor([[-1, -1, -1], [0, -1, -1]], dtype=torch.int32)
    assert len(encode_planes(pair, known)) < 0.85 * len(encode_planes(pair, orphans(2)))


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_values(code: bytes) -> None:
    first = decode_planes(code, orphans(3), 7, 9)
    assert torch.equal(first, decode_planes(code + b"\0\0", orphans(3), 7, 9))


def test_what_cannot_be_is_said() -> None:
    values = torch.zeros(2, 3, 4, dtype=torch.int32)
    late = torch.tensor([[-1, -1, -1], [1, -1, -1]], dtype=torch.int32)
    for arguments, words in (
        ((values.long(), orphans(2)), "int32"),
        ((values, orphans(3)), "parents"),
        ((values, late), "before"),
        ((values, late - 3), "before"),
        ((values - 2**31, orphans(2)), "above"),
    ):
        with pytest.raises(InvalidInput, match=words):
            encode_planes(*arguments)
