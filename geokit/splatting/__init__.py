"""Gaussian and Gabor splatting: rendering and training."""

from geokit.splatting.losses import photometric_loss, psnr
from geokit.splatting.primitives import splats_from_points
from geokit.splatting.render import Rendering, render
from geokit.splatting.schedule import TrainConfig
from geokit.splatting.trainer import Step, Trainer

__all__ = ["Rendering", "Step", "TrainConfig", "Trainer", "photometric_loss", "psnr", "render", "splats_from_points"]
