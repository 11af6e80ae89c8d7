"""The comparison of temporal methods: its true flow in closed form, its table on tiny frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from flow.warp import backward_warp
from pipeline import images
from scripts import bench_temporal
from scripts.temporal import methods, painting, report, sequences
from scripts.temporal.methods import BASELINES, OURS
from scripts.temporal.static import Noise, noisy
from scripts.temporal.truth import TrueFlows, Truth, area, chained, filled, shrink


def constant(x: float, y: float, height: int = 40, width: int = 60) -> Truth:
    flow = torch.tensor([x, y]).view(1, 2, 1, 1).expand(1, 2, height, width).clone()
    return Truth(flow, torch.ones(1, 1, height, width))


def test_a_smaller_flow_has_smaller_vectors() -> None:
    found = shrink(constant(6.0, -4.0), 10, 20)  # a third of the width, a quarter of the height
    torch.testing.assert_close(found.flow, constant(2.0, -1.0, 10, 20).flow)
    inside = torch.ones(1, 1, 10, 20)
    inside[..., 0, :] = 0  # moves out by the top: -1 and the right: +2
    inside[..., :, -2:] = 0
    torch.testing.assert_close(found.visible, inside)


def test_a_small_pixel_is_trusted_where_all_of_it_is_visible_and_moves_alike() -> None:
    truth = constant(0.0, 0.0)
    truth.visible[..., 5, 7] = 0
    truth.flow[..., 20:, :31] = 4.0  # small pixel (2, 5) to (3, 7) lies on the boundary at x = 31
    found = shrink(truth, 10, 15)
    assert found.visible[0, 0, 1, 1] == 0  # of rows 4 to 8, columns 4 to 8
    assert found.visible[0, 0, 7, 7] == 0
    assert found.visible[0, 0, 7, 6] == 1
    assert found.visible[0, 0, 7, 8] == 1
    assert found.flow[0, 0, 7, 6] == 1.0
    # What is not visible does not count in the mean either.
    truth.flow[..., 5, 7] = 1000.0
    assert shrink(truth, 10, 15).flow[0, 0, 1, 1] == 0


def test_areas_keep_the_mean_also_between_whole_pixels() -> None:
    values = torch.rand(1, 2, 23, 31, generator=torch.Generator().manual_seed(0))
    found = area(values, 7, 10)
    torch.testing.assert_close(found.mean(dim=(2, 3)), values.mean(dim=(2, 3)))
    blocks = values[..., :22, :30].unflatten(2, (11, 2)).unflatten(4, (10, 3)).mean(dim=(3, 5))
    torch.testing.assert_close(area(values[..., :22, :30], 11, 10), blocks)


def test_unknown_flow_becomes_its_neighbours() -> None:
    flow = constant(3.0, 1.0).flow
    flow[..., 10:14, 10:14] = torch.nan
    torch.testing.assert_close(filled(flow), constant(3.0, 1.0).flow)


def test_a_chain_of_flows_played_backwards() -> None:
    """A picture moves by 1, then 2 to the right when played: origins lie 1, 2 and 3 to the left."""
    noise = torch.rand(1, 3, 40, 70, generator=torch.Generator().manual_seed(0))
    frames = [noise[..., 5:65], noise[..., 4:64], noise[..., 2:62]]
    pairs = {1: constant(-1.0, 0.0), 2: constant(-2.0, 0.0)}
    flows = TrueFlows(pairs, frames, (40, 60))
    warped = backward_warp(frames[0], flows.flow(2, 0))
    seen = flows.weight(2, 0).expand_as(warped) > 0
    torch.testing.assert_close(flows.flow(2, 0), constant(-3.0, 0.0).flow)
    assert seen.float().mean() == pytest.approx(57 / 60, abs=0.02)
    torch.testing.assert_close(warped[seen], frames[2][seen])
    with pytest.raises(KeyError):
        flows.flow(0, 1)


def test_what_the_chain_hides_is_not_visible() -> None:
    hidden = constant(-2.0, 0.0)
    hidden.visible[..., 20, 20] = 0
    grey = torch.full((1, 3, 40, 60), 0.5)
    found = chained(constant(-2.0, 0.0), hidden, grey, grey)
    assert found.visible[0, 0, 20, 22] == 0
    assert found.visible[0, 0, 20, 20] == 1


def test_methods_differ_only_in_what_is_theirs() -> None:
    base = methods.flat(methods.resolve(BASELINES[4]))
    for method in (*BASELINES, *OURS, *methods.ablations()):
        try:
            found = methods.flat(methods.resolve(method))
        except methods.ConfigError:
            continue
        changed = {key.partition(".")[0] for key in found if found[key] != base[key]}
        allowed = {"temporal", "flow", "optimizer"} if method.ours else {"temporal", "optimizer"}
        assert changed <= allowed, method.name
    default, own_first = (methods.flat(methods.resolve(method)) for method in OURS)
    assert all(default[key] == base[key] for key in methods.FIRST)
    assert {key for key in default if default[key] != own_first[key]} <= set(methods.FIRST)


def test_noise_has_the_statistics_that_it_is_given() -> None:
    channels = np.array([[1, 0.5, 0.2], [0.5, 1, 0.5], [0.2, 0.5, 1]], np.float32)
    noise = Noise(np.array([2.0, 3.0, 4.0], np.float32), channels, 0.6, 0.3)
    frames = np.stack(noisy(np.full((64, 64, 3), 128, np.uint8), noise, 40)).astype(np.float64)
    rest = frames - 128
    np.testing.assert_allclose(rest.std(axis=(0, 1, 2)), [2, 3, 4], rtol=0.05)
    np.testing.assert_allclose(np.corrcoef(rest.reshape(-1, 3).T), channels, atol=0.05)
    assert (rest[1:] * rest[:-1]).mean() / rest.var() == pytest.approx(0.3, abs=0.05)
    assert (rest[:, :, 1:] * rest[:, :, :-1]).mean() / rest.var() == pytest.approx(0.6, abs=0.05)


def test_mean_ratios_leave_out_what_is_not_there() -> None:
    none = {"ewarp_long": None}
    results = {
        "a": {"ruder2016": {"ewarp_short": 2.0, **none}, "x": {"ewarp_short": 1.0, **none}},
        "b": {"ruder2016": {"ewarp_short": 4.0, "ewarp_long": 2.0}, "x": {"ewarp_short": 3.0}},
        "c": {"x": {"ewarp_short": 9.0}},
    }
    assert report.mean_ratios(results, "x") == {"ewarp_short": pytest.approx((0.5 + 0.75) / 2)}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three frames of 48x32 of a moving picture."""
    folder = tmp_path / "clip"
    folder.mkdir()
    coarse = np.random.default_rng(1).integers(0, 255, (8, 14, 3), np.uint8, endpoint=True)
    wide = np.kron(coarse, np.ones((4, 4, 1), np.uint8))
    for number in range(3):
        images.write_pixels(folder / f"{number + 9}.png", wide[:, number : number + 48])
    return folder


def test_a_folder_is_read_in_the_order_of_its_names(frames: Path, painting: Path) -> None:
    pixels = images.read_pixels(frames / "9.png")
    for folder, names in (("letters", "badce"), ("numbers", ("10", "9", "2a", "2", "11"))):
        other = frames.parent / folder
        other.mkdir()
        for name in names:
            level = sum(map(ord, name)) % 97 + int(name == "10")
            images.write_pixels(other / f"{name}.png", np.full_like(pixels, level))
        (other / "._0.png").write_bytes(b"of another system")
        order = sorted(names) if folder == "letters" else ["2", "2a", "9", "10", "11"]
        found = sequences.load_folder(other, painting).frames
        wanted = [images.read_pixels(other / f"{name}.png") for name in order]
        assert [int(each[0, 0, 0]) for each in found] == [int(each[0, 0, 0]) for each in wanted]


def test_what_cannot_be_compared_is_refused_at_once(
    frames: Path, painting: Path, tmp_path: Path
) -> None:
    named = ["--frames", str(frames), "--style", str(painting)]
    images.write_pixels(frames / "12.png", np.zeros((30, 48, 3), np.uint8))
    for words, told in (
        (named, "12.png: 48x30 where the first frame has 48x32"),
        (["--frames", str(tmp_path / "none"), "--style", str(painting)], "none: there is none"),
        ([*named, "--json", str(tmp_path / "none" / "a.json")], "there is no such folder"),
    ):
        with pytest.raises(SystemExit, match=told):
            bench_temporal.main(words)
    (frames / "12.png").unlink()
    with pytest.raises(SystemExit, match="--methods nosuch: there are random, content"):
        bench_temporal.main([*named, "--methods", "nosuch"])


def test_the_numbers_of_a_folder_and_what_is_kept(
    frames: Path,
    painting: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Two rows from one first frame; a second call paints only what is gone."""
    quick = [("optimizer.first_iterations", 2), ("optimizer.iterations", 2)]
    load = methods.load_config
    monkeypatch.setattr(methods, "load_config", lambda path, more=(): load(path, [*more, *quick]))
    named = ["--frames", frames, "--style", painting, "--cache", tmp_path / "cache"]
    row = "temporal.interpolation='bilinear';temporal.weight=7.0"
    rows = ["--methods", "ruder2016", "--vary", row]
    command = [*named, *rows, "--media", tmp_path, "--json", tmp_path / "found.json"]
    words = [str(word) for word in command]
    bench_temporal.main(words)
    first = capsys.readouterr()
    found = json.loads((tmp_path / "found.json").read_text())["clip"]
    other = "default interpolation=bilinear weight=7.0"
    assert list(found) == ["ruder2016", other]
    keys = "ewarp_short ewarp_long style_distance content_distance sharpness drift boiling"
    for measured in found.values():
        assert {*keys.split(), "iterations", "seconds", "trusted", "frames"} <= measured.keys()
        assert measured["iterations"] == 2
        assert measured["frames"] == 3
    one, two = found.values()
    assert one["style_distance_first"] == two["style_distance_first"]
    assert f"| {other} |" in first.out

    kept = sorted((tmp_path / "cache").rglob("pass_00/000002.png"))
    assert len(kept) == 2
    before = kept[0].read_bytes()
    kept[0].unlink()
    bench_temporal.main([*words, "--paint-only"])
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1  # one frame was painted
    assert kept[0].read_bytes() == before


def test_sources_lie_in_the_folder_of_their_pass() -> None:
    source = painting.Source(3, 1)
    assert painting.file_of(Path("a"), source) == Path("a/pass_01/000003.png")
