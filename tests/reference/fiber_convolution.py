"""Messages along edges, edge by edge and orientation by orientation."""

import torch
from torch import Tensor


def fiber_convolution(
    features: Tensor,
    weights: Tensor,
    profiles: Tensor,
    senders: Tensor,
    receivers: Tensor,
    rows: Tensor,
    receiver_count: int,
) -> Tensor:
    """(M, O, C) of features (N, O, C), weights (K, L, C), profiles (E, O, L) and the edges' indices (E,)."""
    _, orientations, channels = features.shape
    received = [[features.new_zeros(channels) for _ in range(orientations)] for _ in range(receiver_count)]
    for e, (sender, receiver, row) in enumerate(zip(senders.tolist(), receivers.tolist(), rows.tolist())):
        for o in range(orientations):
            kernel = sum(profiles[e, o, l] * weights[row, l] for l in range(weights.shape[1]))
            received[receiver][o] = received[receiver][o] + kernel * features[sender, o]
    nodes = [torch.stack(node) for node in received]
    return torch.stack(nodes) if nodes else features.new_zeros(0, orientations, channels)


def convolution_at_once(
    features: Tensor,
    weights: Tensor,
    profiles: Tensor,
    senders: Tensor,
    receivers: Tensor,
    rows: Tensor,
    receiver_count: int,
) -> Tensor:
    """The same for thousands of edges, with the kernels of all of them in memory."""
    kernels = torch.einsum("eol,elc->eoc", profiles, weights[rows])
    received = features.new_zeros(receiver_count, *features.shape[1:])
    return received.index_add(0, receivers, kernels * features[senders])
