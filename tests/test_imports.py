"""The house's floors, held by reading the imports; and what must not be imported at all."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FLOORS = [
    {
        "pipeline",
        "pipeline.errors",
        "pipeline.keytypes",
        "pipeline.borders",
        "pipeline.blur",
    }
    | {"pipeline.words"}
    | {"flow", "flow.errors", "flow.faults", "flow.estimating", "flow.camera"},
    {
        "pipeline.sections",
        "pipeline.disocclusion",
        "pipeline.lbfgs",
        "pipeline.direct",
        "pipeline.winograd",
        "pipeline.weights",
        "flow.atomic",
        "flow.files",
        "flow.given",
        "flow.dis",
        "flow.raft",
    },
    {"pipeline.keys"},
    {"pipeline.config", "pipeline.images", "pipeline.vgg", "pipeline.losses", "pipeline.optimize"}
    | {"pipeline.machine", "pipeline.arithmetic", "flow.warp", "flow.estimators"},
    {"pipeline.shots", "pipeline.media", "pipeline.style", "flow.occlusion"} | {"flow.still"},
    {
        "pipeline.schedule",
        "pipeline.metrics",
        "pipeline.scorer",
        "pipeline.objective",
        "pipeline.sheets",
        "pipeline.variants",
        "flow.store",
    },
    {"pipeline.light", "pipeline.targets"},
    {"pipeline.temporal"},
    {
        "pipeline.claims",
        "pipeline.guard",
        "pipeline.records",
        "pipeline.outcome",
        "pipeline.ahead",
        "pipeline.stylize",
        "pipeline.excerpt",
        "pipeline.measure",
    },
    {"pipeline.framefiles", "pipeline.ownfiles", "pipeline.staging"},
    {"pipeline.workdir"},
    {"pipeline.preflight", "pipeline.disk"},
    {"pipeline.assemble", "pipeline.stages"},
    {"pipeline.run", "pipeline.preview", "pipeline.doctor", "pipeline.footage"},
    {"pipeline.plan", "pipeline.terminal", "pipeline.arguments", "pipeline.scorecard"},
    {"pipeline.evaluate"},
    {"pipeline.cli"},
    {"pipeline.__main__"},
]
FLOOR_OF = {module: number for number, modules in enumerate(FLOORS) for module in modules}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(name: str) -> str:
    """`pipeline.media.probe` is of the room `pipeline.media`."""
    return ".".join(name.split(".")[:2])


def imported(path: Path) -> set[str]:
    """The modules that a file imports, wherever in the file it does so."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                is_module = (ROOT / below.replace(".", "/")).with_suffix(".py").exists()
                is_package = (ROOT / below.replace(".", "/")).is_dir()
                found.add(below if is_module or is_package else node.module)
    return found


FILES = sorted([*ROOT.glob("flow/**/*.py"), *ROOT.glob("pipeline/**/*.py")])


def test_every_room_stands_on_a_floor() -> None:
    assert {room(module_name(path)) for path in FILES} == set(FLOOR_OF)


def test_files_import_only_from_floors_below() -> None:
    wrong = []
    for path in FILES:
        own = room(module_name(path))
        for name in imported(path):
            other = room(name)
            if other in FLOOR_OF and other != own and FLOOR_OF[other] >= FLOOR_OF[own]:
                wrong.append(f"{own} imports {other}")
    assert not wrong


def test_flow_knows_nothing_of_the_pipeline() -> None:
    assert not [path for path in ROOT.glob("flow/**/*.py") if "pipeline" in str(imported(path))]


def test_one_home_each() -> None:
    homes = dict.fromkeys(("ffmpeg", "imageio_ffmpeg", "av"), "pipeline.media")
    homes |= {"scenedetect": "pipeline.shots", "typer": "pipeline.cli pipeline.arguments"}
    for path in FILES:
        for name in imported(path):
            own = room(module_name(path))
            assert own in homes.get(name.split(".")[0], own).split(), path


def test_only_the_command_line_prints() -> None:
    for path in FILES:
        calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
        assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"], path


def test_help_and_config_errors_do_not_import_torch() -> None:
    script = (
        "import sys\n"
        "from pipeline.cli import app\n"
        "from pipeline.errors import ConfigError\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules, 'cv2' in sys.modules)\n"
    )
    wrong = (["run", "--set", "flow.estimator=diss"], ["evaluate", "--flow", "diss"])
    for arguments, code in [(["--help"], 0), *((words, 2) for words in wrong)]:
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, cwd=ROOT
        )
        assert done.stdout.splitlines()[-1] == f"{code} False False", done
