"""What several tests share: tiny clips, a painting, and the command line called in this process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

# Small tensors are slower on several threads than on one. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import imageio_ffmpeg
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline import images
from pipeline.cli import app

Brushflow = Callable[..., Result]


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg to make a clip."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


@pytest.fixture
def painting(tmp_path: Path) -> Path:
    """A small painting: coloured blobs."""
    coarse = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8, endpoint=True)
    path = tmp_path / "painting.png"
    images.write_pixels(path, np.kron(coarse, np.ones((8, 8, 1), np.uint8)))
    return path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six frames of 64x48 at 24000/1001, no two of them alike."""
    path = tmp_path / "clip.mp4"
    source = "testsrc2=s=64x48:r=24000/1001,noise=alls=12:allf=t"
    ffmpeg("-f", "lavfi", "-i", source, "-frames:v", 6, path)
    return path


@pytest.fixture
def brushflow() -> Brushflow:
    """The command line, in this process; answers exit code, stdout and stderr."""

    def call(*arguments: object) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def paint(brushflow: Brushflow, painting: Path, tmp_path: Path) -> Brushflow:
    """`brushflow run` with the real weights, quickly: a few iterations."""

    def call(clip: Path, *arguments: object, output: Path | None = None) -> Result:
        quick = ("first_iterations=3", "iterations=2", "coarsest=0")
        settings = [word for key in quick for word in ("--set", f"optimizer.{key}")]
        named = ("--input", clip, "--style", painting, "--output", output or tmp_path / "out.mp4")
        return brushflow("run", *settings, *named, *arguments)

    return call
