"""Posed photographs to a splat scene, with pictures and figures that say how good it is."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import geokit
from geokit.backend.device_choice import chosen_device, device_name, unused_gpu
from geokit.backend.native import _native
from geokit.errors import InvalidInput, UnreadableFile
from geokit.geometry import Splats
from geokit.io import Capture, load_capture, load_checkpoint
from geokit.io.initial_points import initial_points
from geokit.pipelines.evaluate import Score, render_picture, save_comparisons
from geokit.pipelines.interrupt import Interrupted
from geokit.pipelines.observer import Observer
from geokit.pipelines.posed_pictures import posed_pictures
from geokit.pipelines.run_folder import RunFolder
from geokit.pipelines.settings import Settings, load_settings, save_settings
from geokit.pipelines.training import Training
from geokit.pipelines.turntable import save_gif, turntable_cameras
from geokit.splatting import TrainConfig, splats_from_points


def reconstruct(
    capture: str | Path,
    output: str | Path,
    *,
    downscale: float | None = None,
    test_every: int | None = None,
    test_images: Sequence[str] | None = None,
    time_limit: float | None = None,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    observer: Observer | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Reconstruct `capture` (see `load_capture`) into the folder `output`; returns the content of metrics.json.

    downscale (1), test_every (8), test_images: see `load_capture`. options: fields of `TrainConfig`; what is not given
    has its default there, except that transparent photographs stand before the capture's own background.
    time_limit: seconds spent in training steps, over all sittings, at which training ends; the schedules follow the
    clock then, so that such a run is not reproducible. Every other run on the CPU is: the same inputs give the same
    bytes of splats.ply. device: "cpu", "cuda", or "auto", the GPU where geokit's kernels run on one; a run may be gone
    on with on another device.
    resume: go on from the checkpoint in `output`, with the options that it was begun with. overwrite: replace a run
    that is there. On SIGINT or SIGTERM everything is saved and `Interrupted` (a KeyboardInterrupt) raised.

    Raises `InvalidInput` for options that cannot be, `UnreadableFile` for what is wrong with the capture's files.
    """
    observer, folder = observer or Observer(), RunFolder(Path(output))
    place = chosen_device(device)
    given: dict[str, Any] = {"downscale": downscale, "test_every": test_every, "time_limit": time_limit, **options}
    given["test_images"] = test_images
    given = {name: value for name, value in given.items() if value is not None}
    given["capture"] = Path(capture).expanduser().resolve()
    settings = _settings(folder, given, resume, overwrite)
    unused = unused_gpu() if device == "auto" else None
    if unused is not None:
        observer.message(f"computing on the CPU, since {unused}")
    return _run(folder, settings, "background" in given or resume, resume, observer, place)


def _settings(folder: RunFolder, given: Mapping[str, Any], resume: bool, overwrite: bool) -> Settings:
    if resume and overwrite:
        raise InvalidInput("--resume and --overwrite contradict each other; choose one")
    if resume:
        if not folder.config.is_file():
            raise InvalidInput(f"{folder.root} holds no run to go on with (no config.yaml); leave --resume out")
        settings = load_settings(folder.config)
        settings.refuse_changes(given, folder.config)
        return settings.with_options({k: v for k, v in given.items() if k == "time_limit"})
    if folder.root.exists() and not folder.root.is_dir():
        raise InvalidInput(f"{folder.root} is a file, but the output is a folder; choose another name")
    if folder.contents() and not overwrite:
        raise InvalidInput(
            f"{folder.root} already holds a run; go on with --resume, replace it with --overwrite, or choose another "
            "folder"
        )
    return Settings(given["capture"]).with_options(given)


def _run(
    folder: RunFolder,
    settings: Settings,
    has_background: bool,
    resume: bool,
    observer: Observer,
    device: torch.device,
) -> dict[str, Any]:
    saved = load_checkpoint(folder.checkpoint) if resume and folder.checkpoint.is_file() else None
    capture = _open(settings, observer)
    if not has_background and capture.alpha(capture.train[0]) is not None:
        settings = settings.with_options({"background": capture.background})
    config = settings.train
    splats = _initial_splats(capture, config, observer) if saved is None else _saved_splats(saved[0], folder)
    train, test = (posed_pictures(capture, split, config.background) for split in (capture.train, capture.test))
    del capture
    training = Training(splats, (train, test), settings, folder, observer, device)
    if training.trainer.streams_photographs:
        observer.message(
            "the photographs stay in main memory, since they would fill more than a third of what the GPU has free; "
            "each is brought there for its step"
        )
    if saved is not None:
        _go_on(training, *saved)
    elif resume:
        observer.message(f"{folder.root} has no checkpoint yet; beginning at the first step")
        folder.cut_curve(0)
    else:
        folder.clear()
    save_settings(folder.config, settings)
    try:
        observer.phase("Training")
        training.run()
        with training.memory_explained():
            metrics = _metrics(training, _save_views(training, observer))
            folder.save_metrics(metrics)
            _save_turntable(training, observer)
    except Interrupted:
        raise
    except KeyboardInterrupt as error:  # beside the training steps, or a second one before all was saved
        raise training.interrupted() from error
    return metrics


def _open(settings: Settings, observer: Observer) -> Capture:
    """The capture with all its photographs decoded."""
    observer.phase("Opening the capture")
    capture = load_capture(
        settings.capture, settings.downscale, settings.test_every, settings.test_images, progress=observer.phase
    )
    for message in capture.messages:
        observer.message(message)
    if not capture.test:
        observer.message("the capture has no test views, so that there will be no PSNR; see --test-every")
    observer.opened(capture)
    wanted = [*capture.train, *capture.test]
    capture.photographs(wanted, lambda done, total: observer.count("Reading photographs", done, total))
    return capture


def _initial_splats(capture: Capture, config: TrainConfig, observer: Observer) -> Splats:
    observer.phase("Finding points to begin with")
    generator = torch.Generator().manual_seed(config.seed)
    cloud = initial_points(capture, min(config.initial_splats, config.max_splats), generator)
    return splats_from_points(cloud, config.initial_opacity, config.initial_scale)


def _saved_splats(tensors: dict[str, Tensor], folder: RunFolder) -> Splats:
    try:
        return Splats(**{field.name: tensors[field.name] for field in fields(Splats)})
    except (KeyError, InvalidInput) as error:
        raise _foreign(folder, error) from error


def _foreign(folder: RunFolder, error: Exception) -> UnreadableFile:
    return UnreadableFile(
        f"{folder.checkpoint} is not a checkpoint of a reconstruction by this version of geokit "
        f"({type(error).__name__}: {error}); begin anew with --overwrite"
    )


def _go_on(training: Training, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    folder, trainer = training.folder, training.trainer
    if metadata.get("train_images") != list(trainer.cameras.names):
        raise InvalidInput(
            f"the training photographs of {training.settings.capture} are not those that {folder.checkpoint} was made "
            "from; restore the capture or begin anew with --overwrite"
        )
    if metadata.get("capture_sha256") != training.digest:
        raise InvalidInput(
            f"the photographs or poses of {training.settings.capture} have changed since {folder.checkpoint} was made; "
            "restore the capture or begin anew with --overwrite"
        )
    try:
        with training.memory_explained():
            training.resume(tensors, metadata)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _foreign(folder, error) from error
    folder.cut_curve(trainer.step_number)
    ended = " (the run is finished: only the pictures and figures are made again)" if training.progress >= 1 else ""
    training.observer.message(f"going on after step {trainer.step_number:,} of {trainer.config.steps:,}{ended}")


def _save_views(training: Training, observer: Observer) -> list[Score]:
    scores = []
    views = save_comparisons(training.folder.views, training.trainer.splats, training.test, training.trainer.config)
    for score in views:
        scores.append(score)
        observer.count("Rendering held-out views", len(scores), len(training.test))
    return scores


def _save_turntable(training: Training, observer: Observer) -> None:
    trainer = training.trainer
    cameras, pictures, splats = turntable_cameras(trainer.cameras), [], trainer.splats
    for i in range(len(cameras)):
        pictures.append(render_picture(splats, cameras[i], trainer.config).cpu())
        observer.count("Rendering the turntable", i + 1, len(cameras))
    save_gif(training.folder.turntable, pictures)


def _metrics(training: Training, scores: Sequence[Score]) -> dict[str, Any]:
    splats = training.trainer.splats

    def mean(values: list[float]) -> float | None:
        return sum(values) / len(values) if values else None

    return {
        "psnr": mean([score.psnr for score in scores]),
        "ssim": mean([score.ssim for score in scores]),
        "views": [{"image": score.image, "psnr": score.psnr, "ssim": score.ssim} for score in scores],
        "steps": training.trainer.step_number,
        "splats": len(splats),
        "parameters": splats.parameters,
        "seconds": training.seconds,
        "cpu_seconds": training.cpu_seconds,
        "peak_memory_bytes": training.peak_memory(),
        "device": training.trainer.device.type,
        "gpu": device_name(training.trainer.device) if training.trainer.device.type == "cuda" else None,
        "peak_gpu_memory_bytes": training.peak_gpu_memory(),
        "versions": {
            "geokit": geokit.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "native": _native.cpu_level(),
        },
        "seed": training.trainer.config.seed,
    }
