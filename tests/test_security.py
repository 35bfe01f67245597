"""What docs/security.md promises: nothing runs that was only meant to be read, and what is secret stays so."""

from __future__ import annotations

import ast
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bansweep.errors import BansweepError
from bansweep.tracking.client import in_one_line
from bansweep.tracking.tracking_uri import without_credentials

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bansweep"
MODULES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}

# Names that run what they are given, or read what may run.
FORBIDDEN = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.startfile", "pty.spawn", "runpy.run_path"),
    *(
        "pickle.load",
        "pickle.loads",
        "_pickle.loads",
        "marshal.loads",
        "shelve.open",
        "dill.loads",
        "cloudpickle.loads",
    ),
    *("torch.load", "torch.hub.load", "numpy.load", "numpy.fromregex", "joblib.load", "pandas.read_pickle"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "shutil.unpack_archive", "tempfile.mktemp"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "extract_archive"),
    *("download_and_extract_archive", "ssl._create_unverified_context", "importlib.import_module"),
}
# Where a dangerous thing is done, and done with care.
UNPICKLER = "data/sources/cifar_archive.py"
EXTRACTION = "data/sources/cifar_archive.py"
RUNNER = "user_code.py"
# Imports of bansweep's own modules, by fixed names.
OWN_IMPORTS = {"losses/builder.py": "importlib.import_module", "former_modules.py": "__import__"}
LOADERS = "export/loaders/"  # of weights that were exported to PyTorch's own format, without pickles in it


def aliases(tree: ast.Module) -> dict[str, str]:
    """Local names that differ from what is imported: {"np": "numpy", "urlopen": "urllib.request.urlopen"}."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """`np.load` as `numpy.load`; `().read` for what is read of a call's result."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return "()"


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    names = aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield dotted(node.func, names), node


def keyword(call: ast.Call, name: str) -> object:
    value = next((one.value for one in call.keywords if one.arg == name), None)
    return value.value if isinstance(value, ast.Constant) else value


def dangers(module: str, tree: ast.Module) -> Iterator[str]:
    names = aliases(tree)
    for node in ast.walk(tree):
        # Not only calls: `map(pickle.loads, ...)` is one, too.
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = dotted(node, names)
            if module == RUNNER and name in ("exec", "compile"):
                continue
            if module.startswith(LOADERS) and name == "torch.load":
                continue
            if name == OWN_IMPORTS.get(module):
                continue
            if name in FORBIDDEN or name.rpartition(".")[2] in ("extract_archive", "download_and_extract_archive"):
                yield name
            if name.endswith("pickle.Unpickler") and module != UNPICKLER:
                yield name
        # But for addresses of this machine, what a user's own address begins with, and a cluster's own job server.
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        if re.search(r"http://(?!127\.0\.0\.1|localhost|HOST:|\$\(RAY_DASHBOARD_ADDRESS\)|\s|$)", text):
            yield text
    for name, call in calls(tree):
        if keyword(call, "shell") not in (None, False):
            yield f"{name}(shell=...)"
        if keyword(call, "allow_pickle") not in (None, False) or keyword(call, "weights_only") is False:
            yield f"{name}(allow_pickle, weights_only)"
        if name == "torch.load" and keyword(call, "weights_only") is not True:
            yield f"{name} without weights_only=True"
        if keyword(call, "verify") is False:
            yield f"{name}(verify=False)"
        if name.endswith((".extractall", ".extract")) and keyword(call, "filter") != "data":
            yield f"{name} without filter='data'"
        if name == "numpy.save" and keyword(call, "allow_pickle") is not False:
            yield f"{name} without allow_pickle=False"
        if name.startswith("subprocess.") and call.args and isinstance(call.args[0], ast.Constant | ast.JoinedStr):
            yield f"{name} of a line instead of a list"


def test_code_of_a_users_own_is_run_by_what_trains_and_no_other() -> None:
    """Who wants their work of code that a store holds has to ask `store/records.py` first: training, `export`."""
    imported = "bansweep.user_code"
    users = {name for name, tree in MODULES.items() if any(one.startswith(imported) for one in aliases(tree).values())}
    assert {name.partition("/")[0] for name in users} == {"losses", "networks", "data", "training"}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_runs_that_is_only_read(module: str) -> None:
    assert list(dangers(module, MODULES[module])) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle; pickle.loads(x)",
        "from pickle import load as read; read(x)",
        "import pickle as p; list(map(p.loads, x))",
        "import pickle; pickle.Unpickler(x).load()",
        "import torch; torch.load(x)",
        "import numpy as np; np.load(x)",
        "import numpy as np; np.load(x, allow_pickle=True)",
        "import numpy as np; np.save(x, y)",
        "import yaml; yaml.load(x, Loader=yaml.Loader)",
        "eval(x)",
        "import os; os.system(x)",
        "import subprocess; subprocess.run(x, shell=True)",
        "import subprocess; subprocess.run(x, shell=y)",
        "import subprocess; subprocess.run(f'ls {x}')",
        "import tarfile; tarfile.open(x).extractall(y)",
        "with tarfile.open(x) as tar:\n    tar.extractall(y)",
        "tar.extractall(y, filter='fully_trusted')",
        "from torchvision.datasets.utils import extract_archive; extract_archive(x)",
        "x = 'http://example.org/data.tar.gz'",
        "import requests; requests.get(x, verify=False)",
    ],
)
def test_what_is_looked_for_is_found(line: str) -> None:
    assert list(dangers("any.py", ast.parse(line)))


def test_each_exception_is_where_it_is_said_to_be() -> None:
    assert [name for name, _ in calls(MODULES[EXTRACTION])].count("tar.extractall") == 1
    extracting = [module for module, tree in MODULES.items() if any(n.endswith(".extractall") for n, _ in calls(tree))]
    assert extracting == [EXTRACTION]
    inherited = [
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "pickle.Unpickler" in [dotted(one, aliases(tree)) for one in node.bases]
    ]
    assert inherited == [UNPICKLER]


def test_downloads_are_encrypted_and_have_digests() -> None:
    downloading = {module for module, tree in MODULES.items() if any("urlopen" in name for name, _ in calls(tree))}
    assert downloading == {EXTRACTION, "data/sources/text.py"}
    from torchvision.datasets import CIFAR10, CIFAR100

    from bansweep.data.sources.text import ADDRESS, SERVED_SHA256

    for dataset in (CIFAR10, CIFAR100):
        assert dataset.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{32}", dataset.tgz_md5)
    assert ADDRESS.startswith("https://")
    assert len({digest for digest in SERVED_SHA256 if re.fullmatch("[0-9a-f]{64}", digest)}) == 3


# Packages that read files from others, and their other reads: files of /proc, and the log that a run has just written.
READERS = ("spec/", "data/", "store/", "tracking/", "service/")
READ_OTHERWISE = {"store/claims.py": 2, "service/run_log.py": 1}


def opened_for_reading(tree: ast.Module) -> list[str]:
    """Calls that read a file whatever it is; those that write name their mode."""
    found = []
    for _, call in calls(tree):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        modes = [one.value for one in (*call.args, *(k.value for k in call.keywords)) if isinstance(one, ast.Constant)]
        writes = any(isinstance(mode, str) and re.fullmatch("[wxa]b?[+]?", mode) for mode in modes)
        if name in ("read_text", "read_bytes") or (name == "open" and not writes):
            found.append(ast.unparse(call))
    # Pillow opens bytes in memory; the archive's digest was compared before; `os.open` is used for folders.
    return [one for one in found if not one.startswith(("Image.open", "tarfile.open", "os.open"))]


@pytest.mark.parametrize("module", [name for name in sorted(MODULES) if name.startswith(READERS)])
def test_files_of_others_are_read_as_regular_files(module: str) -> None:
    found = opened_for_reading(MODULES[module])
    assert len(found) == READ_OTHERWISE.get(module, 0), found


def test_patterns_say_where_they_begin_and_end() -> None:
    """One that does not matches any text that has the wanted letters somewhere, or none of them."""
    patterns = [
        (module, keyword(call, "pattern"))
        for module, tree in MODULES.items()
        for name, call in calls(tree)
        if name.rpartition(".")[2] in ("Field", "StringConstraints") and keyword(call, "pattern") is not None
    ]
    assert len(patterns) >= 3
    assert [one for one in patterns if not re.fullmatch(r"\^.*\$", str(one[1]))] == []
    matched = [module for module, tree in MODULES.items() for name, _ in calls(tree) if name == "re.match"]
    assert matched == [], "re.match leaves the end open: use re.fullmatch"


def test_ray_listens_on_this_machine_only() -> None:
    started = [call for name, call in calls(MODULES["cluster/ray_session.py"]) if name == "ray.init"]
    assert len(started) == 1
    keywords = {one.arg: ast.unparse(one.value) for one in started[0].keywords}
    assert not {"dashboard_host", "dashboard_port"} & keywords.keys()
    assert keywords["include_dashboard"].endswith("False"), "none on a cluster of its own"
    # A single-host cluster listens on the loopback address unless Ray is told that there may be more hosts.
    assert '"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"' in (PACKAGE / "cluster/ray_environment.py").read_text("utf-8")


SECRETS = ["hunter2", "s3cr3t", "t0ken"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:hunter2@mlflow.example.org",
        "https://user:hunter2@mlflow.example.org:5000/path?x=1",
        "https://t0ken@mlflow.example.org/",
        "postgresql://user:s3cr3t@db/mlflow",
        "mysql+pymysql://user:s3cr3t@db:3306/mlflow",
    ],
)
def test_credentials_in_an_address_are_not_told(uri: str) -> None:
    for text in (uri, f"cannot reach {uri}: refused", f"{uri} and {uri}"):
        assert not any(secret in without_credentials(text) for secret in SECRETS)
    told = in_one_line(RuntimeError(f"API request to {uri}/api/2.0 failed"), uri)
    assert not any(secret in told for secret in SECRETS)
    assert "://***@" in told


def test_a_server_that_refuses_is_told_of_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "user")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    uri = "http://user:s3cr3t@127.0.0.1:9"
    with pytest.raises(requests.ConnectionError) as caught:
        requests.get(f"{uri}/api/2.0/mlflow/experiments/search", auth=("user", "hunter2"), timeout=5)
    told = in_one_line(caught.value, uri)
    assert not any(secret in told for secret in SECRETS)


def test_no_environment_is_written_down_or_logged() -> None:
    """The environment is read by name; as a whole it goes to child processes only."""
    whole = {
        module: [ast.unparse(node) for node in ast.walk(tree) if _takes_whole_environment(node)]
        for module, tree in MODULES.items()
    }
    assert {module: found for module, found in whole.items() if found}.keys() <= {
        "cli/commands/ui.py",
        "import_path.py",
    }
    secret = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIAL", re.IGNORECASE)
    named = [
        (module, node.value)
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and secret.fullmatch(node.value.rpartition("_")[2])
    ]
    # What names MLflow's variables in messages, and what gives Ray a token that no file holds.
    assert {module for module, _ in named} <= {"tracking/tracking_uri.py", "cluster/ray_environment.py"}


def _takes_whole_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Dict):
        return any(
            key is None and "environ" in ast.unparse(value) for key, value in zip(node.keys, node.values, strict=True)
        )
    return isinstance(node, ast.Call) and any(ast.unparse(one) == "os.environ" for one in node.args)


def test_an_error_that_travels_between_processes_brings_words_only() -> None:
    """Ray pickles errors between its own processes: what comes out is what went in."""
    error = BansweepError("cause", remedy="remedy")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_checkpoint_is_no_pickle(tmp_path: Path) -> None:
    import torch

    from bansweep.training.snapshot import load_weights

    exploded = tmp_path / "exploded"

    class Bomb:
        def __reduce__(self) -> object:
            return (Path.touch, (exploded,))

    network = torch.nn.Linear(1, 1)
    torch.save({"weight": Bomb()}, tmp_path / "weights.pt")
    for content in ((tmp_path / "weights.pt").read_bytes(), pickle.dumps(Bomb())):
        with pytest.raises(Exception, match=r"(?i)header|deserializ"):
            load_weights(network, content)
    assert not exploded.exists()


def test_names_are_never_part_of_a_command(tmp_path: Path) -> None:
    """A store called `; touch x` is a folder of that name."""
    folder = "; touch exploded; $(touch exploded) `touch exploded`"
    result = subprocess.run(
        [sys.executable, "-m", "bansweep", "plan", str(ROOT / "sweeps" / "quickstart.yaml"), "--store", folder],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert folder in result.stdout
    assert list(tmp_path.iterdir()) == []
