"""A plain convolutional network of usual strength: global maximum pooling makes it invariant to translations."""

from torch import Tensor, nn


class PlainNetwork(nn.Module):
    """Images (B, 1, 40, 40) to scores (B, 10): five 5x5 convolutions with normalisation, 209,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for index, width in enumerate((32, 32, 48, 48, 64)):
            layers += [nn.Conv2d(before, width, 5, padding=2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            if index in (1, 3):
                layers.append(nn.MaxPool2d(2))
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(before, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).amax((2, 3)))
