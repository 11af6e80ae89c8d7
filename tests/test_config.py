"""The config: strict, helpful, and its documentation equal to the model."""

import json
import sys
import tomllib
from pathlib import Path

import pytest

from flow.estimators import ESTIMATORS
from flow.occlusion import CHECKS
from pipeline import config, losses, optimize, shots
from pipeline.errors import ConfigError
from pipeline.keys import marker, sections
from pipeline.keytypes import VGG_LAYERS, Named
from pipeline.sections import RunConfig
from pipeline.weights import NAMES

ROOT = Path(__file__).parent.parent


def load(*settings: str) -> RunConfig:
    return config.load_config(None, [config.parse_override(text) for text in settings])


def complaint(*settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(*settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_default_toml_is_the_model() -> None:
    text = (ROOT / "configs/default.toml").read_text(encoding="utf-8")
    assert text == config.annotated_defaults()
    assert config.load_config(ROOT / "configs/default.toml") == RunConfig()
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            assert f"\n{key} = " in text or f"\n# {key} = " in text, f"{name}.{key}"
            assert field.description, f"{name}.{key} has no line of meaning"


@pytest.mark.parametrize("path", sorted(ROOT.glob("configs/*.toml")), ids=lambda path: path.name)
def test_shipped_configs_load(path: Path) -> None:
    config.load_config(path)


def test_named_parts_are_the_registries() -> None:
    registries = {
        ("flow", "estimator"): ESTIMATORS,
        ("flow", "check"): CHECKS,
        ("shots", "detector"): shots.DETECTORS,
        ("optimizer", "name"): optimize.OPTIMIZERS,
        ("style", "loss"): losses.STYLE_LOSSES,
    }
    for (section, key), registry in registries.items():
        assert marker(section, key, Named).names == tuple(registry), f"{section}.{key}"
    named = {
        (name, key)
        for name, section in sections().items()
        for key in section.model_fields
        if marker(name, key, Named)
    }
    assert named == set(registries)
    assert set(VGG_LAYERS) == {f"{kind}{b}_{n}" for b, n in NAMES for kind in ("conv", "relu")}


def test_unknown_key_names_the_nearest() -> None:
    assert 'style.weigth is unknown; did you mean "weight"?' in complaint("style.weigth=1")
    assert '[stile] is unknown; did you mean "style"?' in complaint("stile.weight=1")
    assert "optimizer.iterations exists" in complaint("style.iterations=3")
    assert 'did you mean "dis"?' in complaint("flow.estimator=diss")
    assert 'did you mean "average"?' in complaint("vgg.pooling=avergae")
    assert 'did you mean "relu4_2"?' in complaint("content.layers=['relu42']")


def test_wrong_values_say_what_is_allowed() -> None:
    assert "style.weight = -1: " in complaint("style.weight=-1")
    assert "greater than or equal to 0" in complaint("style.weight=-1")
    assert "valid integer" in complaint("optimizer.iterations=1.5")
    assert "allowed: replicate, zeros" in complaint("vgg.padding=3")
    assert "finite" in complaint("style.weight=nan")
    assert "section.key=value" in complaint("style.weight")
    counts = "style.layer_weights has 5, style.layers 1: give one weight a layer"
    assert complaint("style.layers=['conv1_1']") == f"--set: {counts}"
    held = "temporal.from_pass = 8: with temporal.passes = 5 at most 4, else none is held"
    assert complaint("temporal.passes=5", "temporal.from_pass=8") == f"--set: {held}"
    assert "allowed: auto, 8, 16" in complaint("run.frame_bits=9")
    assert complaint("input.start=true").endswith('or a frame ("120f")')
    assert "no such home folder" in complaint("style.path=~no-such-user/a.jpg")


def test_what_a_pattern_allows_is_said_in_words() -> None:
    assert "allowed: auto, cpu, cuda, cuda:N, mps" in complaint("run.device=gpu")
    assert "like flow/%06d_%06d.flo" in complaint("flow.files=flow.flo")
    for name, section in sections().items():
        for key, text in section.model_json_schema()["properties"].items():
            if '"pattern"' in json.dumps(text):
                assert f"{name}.{key}" in config.FORMS


def test_a_name_that_is_not_section_dot_key() -> None:
    line = complaint("weight=5")
    assert "--set weight: give it as section.key=value" in line
    for name in ("style.weight", "content.weight", "tv.weight", "temporal.weight"):
        assert name in line
    assert "[style] has the keys path, weight" in complaint("style=5")
    assert "like temporal.weight=2e3" in complaint("wait=5")


def test_no_layers_at_all() -> None:
    assert "at least one layer" in complaint("content.layers=[]")
    assert "at least one layer" in complaint("style.layers=[]", "style.layer_weights=[]")


def test_a_layer_named_twice() -> None:
    twice = 'style.layers=["relu1_1", "relu1_1"]'
    assert "relu1_1 twice" in complaint(twice, "style.layer_weights=[1, 0]")


@pytest.mark.parametrize("name", [":x", ".x:y", "x:", "x:y:z", "1x:y", "x y:z", "x:y.z"])
def test_own_parts_need_a_name_that_python_can_import(name: str) -> None:
    assert "your own module:function" in complaint(f"optimizer.name={name}")


@pytest.mark.parametrize("path", ["a\0b.mp4", "a\udcff.mp4"])
@pytest.mark.parametrize("key", ["input.path", "flow.files", "vgg.weights"])
def test_paths_that_cannot_be_written_down(key: str, path: str) -> None:
    with pytest.raises(ConfigError, match=r"valid UTF-8 without NUL") as caught:
        config.load_config(None, [(key, path)])
    str(caught.value).encode()


def test_file_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    for text, expected in [
        ("[style]\nwegiht = 3\n", 'did you mean "weight"'),
        ("[style\n", "not valid TOML"),
        ("style = 3\n", "write [style]"),
        ("[style]\nweight = 'x'\n", "style.weight = 'x'"),
        ("[style]\npath = 3\n", "a path, in quotes"),
        ("[style]\nlayer_weights = [1]\n", ": style.layer_weights has 1, style.layers 5"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            config.load_config(path)
        assert str(caught.value).startswith(str(path))
        assert expected in str(caught.value)
    with pytest.raises(ConfigError, match="no such config file"):
        config.load_config(tmp_path / "none.toml")


def test_what_is_no_config_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "beach.mp4").write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0\xff\xfe\x80")
    (tmp_path / "wide.toml").write_bytes("[style]\n".encode("utf-16"))
    for name, expected in [
        ("beach.mp4", "not a config file, which is TOML text in UTF-8: a clip is given as --input"),
        ("wide.toml", "text in UTF-16: save it as UTF-8"),
        (".", "a folder, not a config file: name a file; a folder of images is given as --input"),
    ]:
        with pytest.raises(ConfigError) as caught:
            config.load_config(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: {expected}")
        assert "\n" not in str(caught.value)


def test_paths_are_relative_to_where_they_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "run.toml"
    path.write_text('[input]\npath = "clip.mp4"\n[vgg]\nweights = "oxford"\n')
    monkeypatch.chdir(tmp_path)
    loaded = config.load_config(Path("configs/run.toml"), [("style.path", "a.jpg")])
    assert loaded.input.path == tmp_path / "configs" / "clip.mp4"
    assert loaded.style.path == tmp_path / "a.jpg"
    assert loaded.vgg.weights == "oxford"
    path.write_text('[output]\npath = "../out/clip.mp4"\n')
    assert config.load_config(path).output.path == tmp_path / "out" / "clip.mp4"
    assert ".." not in str(config.load_config(path).output.path)


def test_resolved_config_reads_back_equal(tmp_path: Path) -> None:
    chosen = load("style.path=a b.jpg", "temporal.offsets=[1,2,4]", "style.weight=2e3")
    (tmp_path / "config.toml").write_text(config.dump_config(chosen), encoding="utf-8")
    assert config.load_config(tmp_path / "config.toml") == chosen


def test_overrides_are_toml_or_bare_strings() -> None:
    assert config.parse_override("a.b=2e3") == ("a.b", 2000.0)
    assert config.parse_override("a.b=[1, 2]") == ("a.b", [1, 2])
    assert config.parse_override("a.b=c=d.mp4") == ("a.b", "c=d.mp4")


def test_times_and_dates_stay_as_they_are_typed() -> None:
    end = "00:00:04.64"
    assert config.parse_override(f"input.end={end}") == ("input.end", end)
    assert load(f"input.end={end}").input.end == end
    assert load(f"shots.cuts={end}").shots.cuts == (end,)
    assert load(f"shots.cuts=[{end}, '2f']").shots.cuts == ("00:00:04.640000", "2f")


def test_paths_stay_as_they_are_typed() -> None:
    for typed in ("2024-01-01", "1.50", "1e3", "true", "[1]"):
        assert load(f"run.work={typed}").run.work == Path.cwd() / typed
        assert load(f"run.work='{typed}'").run.work == Path.cwd() / typed


def test_a_lone_value_is_a_list_of_one() -> None:
    assert load("shots.cuts=2f").shots.cuts == ("2f",)
    assert load("content.layers=relu3_1").content.layers == ("relu3_1",)
    assert load("temporal.offsets=2").temporal.offsets == (2,)
    one = load("style.layers=relu3_1", "style.layer_weights=0.5").style
    assert one.layer_weights == (0.5,)


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[style]\nweight = 3\n", encoding="utf-8-sig")
    assert config.load_config(path).style.weight == 3


def test_pick_takes_the_users_own() -> None:
    import math

    assert config.pick({}, "math:sqrt", "flow.estimator") is math.sqrt
    for name, reason in [("math:nothing", "has no"), ("no_such_module:f", "cannot import")]:
        with pytest.raises(ConfigError, match=reason):
            config.pick({}, name, "flow.estimator")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError"),
        ("raise SystemExit", "SystemExit"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
    ],
)
def test_own_modules_that_fail_are_told_in_one_line(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_part.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match='"failing_part": ') as caught:
        config.pick({}, "failing_part:f", "flow.check")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_own_parts_beside_the_config_and_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "part_here.py").write_text("value = 1")
    (tmp_path / "part_beside.py").write_text("value = 2")
    (tmp_path / "run.toml").write_text("")
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.chdir(tmp_path / "here")
    installed = list(sys.path)
    for _ in range(2):
        config.load_config(tmp_path / "run.toml")
    assert sys.path == [*installed, str(tmp_path / "here"), str(tmp_path)]
    assert config.pick({}, "part_here:value", "flow.check") == 1
    assert config.pick({}, "part_beside:value", "flow.check") == 2


def test_fingerprint_holds_what_is_named() -> None:
    found = config.fingerprint(RunConfig(), "tv", "run.seed")
    assert found == {"tv.weight": RunConfig().tv.weight, "tv.norm": "l1", "run.seed": 0}


def test_default_toml_is_valid_toml() -> None:
    assert set(tomllib.loads(config.annotated_defaults())) <= set(sections())
