"""The Dockerfile, as far as it can be looked at without building it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from manifest_checks.objects import pod_templates
from manifest_checks.rendering import DEPLOY, PROJECT, rendered

from bansweep.training.device import LEAST_DRIVER

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def arguments(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


def test_base_is_pinned() -> None:
    defaults = dict(one.split("=", 1) for one in arguments("ARG"))
    (base,) = arguments("FROM")
    assert base == "python:${PYTHON_VERSION}-slim-trixie"
    assert re.fullmatch(r"\d+\.\d+\.\d+", defaults["PYTHON_VERSION"])


def test_python_is_one_that_the_project_takes() -> None:
    least = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"].removeprefix(">=")
    version = dict(one.split("=", 1) for one in arguments("ARG"))["PYTHON_VERSION"]
    assert tuple(map(int, version.split("."))) >= tuple(map(int, least.split(".")))


def test_user_is_a_number_that_the_pods_run_as() -> None:
    user, group = arguments("USER")[-1].split(":")
    assert user.isdecimal()
    assert user != "0"
    for template in pod_templates(rendered("gpu")):
        if template.spec["containers"][0]["image"].startswith("registry.example.com/bansweep"):
            security = template.spec["securityContext"]
            assert (security["runAsUser"], security["runAsGroup"]) == (int(user), int(group))


def test_what_is_copied_is_there_and_not_ignored() -> None:
    lines = [
        line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in ("", "#")
    ]
    for source in (word for one in arguments("COPY") for word in one.split()[:-1]):
        assert (PROJECT / source).exists()
        paths = (source, *map(str, Path(source).parents))  # a pattern holds for all that is in a folder
        verdicts = [
            not line.startswith("!") for line in lines if any(fnmatch(path, line.removeprefix("!")) for path in paths)
        ]
        assert verdicts[-1] is False, f"{source} is ignored"


def test_code_comes_after_what_it_needs() -> None:
    names = [f"{word} {rest}" for word, rest in instructions()]
    code = names.index("COPY bansweep ./bansweep")
    assert any("pip install" in one and ".[s3,server]" in one for one in names[:code])
    assert not any("pip install" in one and "--no-deps" not in one for one in names[code:])


def test_extras_exist() -> None:
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = re.search(r"'\.\[([a-z0-9,]+)\]'", DOCKERFILE)
    assert wanted is not None
    assert set(wanted[1].split(",")) <= set(extras)


def test_every_install_is_constrained() -> None:
    installs = [one for run in arguments("RUN") for one in run.split("&&") if "pip install" in one]
    assert len(installs) == 3
    assert all("-c constraints.txt" in one or "--no-deps" in one for one in installs)


def packages_run() -> str:
    (run,) = (one for one in arguments("RUN") if "apt-get install" in one)
    return run


def test_compilers_of_torch_compile_are_installed() -> None:
    (install,) = (one for one in packages_run().split("&&") if "apt-get install" in one)
    assert {"g++", "libc6-dev"} <= set(install.split()), "Triton needs a C compiler and headers, TorchInductor C++"
    assert "--no-install-recommends" in install
    assert "rm -rf /var/lib/apt/lists/*" in packages_run()


def test_system_packages_are_installed_by_root_before_python_packages() -> None:
    names = [f"{word} {rest}" for word, rest in instructions()]
    packages = names.index(f"RUN {packages_run()}")
    assert packages < min(index for index, one in enumerate(names) if "pip install" in one)
    assert packages < min(index for index, (word, _) in enumerate(instructions()) if word == "USER")


@pytest.mark.skipif(not (shutil.which("gcc") and shutil.which("python3")), reason="needs gcc and python3")
@pytest.mark.parametrize(("header", "compiles"), [("Python.h", True), ("no-such-header.h", False)])
def test_build_stops_where_a_header_is_missing(header: str, compiles: bool) -> None:
    """The build's own check, run here: it passes with these headers, and fails without one of them."""
    check = packages_run().split("&&")[-1].replace("Python.h", header)
    ended = subprocess.run(["/bin/bash", "-o", "pipefail", "-c", check], capture_output=True, text=True, check=False)
    assert (ended.returncode == 0) is compiles, ended.stderr


def test_driver_is_the_one_that_the_pinned_torch_needs() -> None:
    """The CUDA version of the pins, the driver of the code's table, and what the Dockerfile says."""
    constraints = (PROJECT / "constraints.txt").read_text()
    cuda = re.search(r"^cuda-toolkit==(\d+\.\d+)", constraints, flags=re.MULTILINE)
    torch = re.search(r"^torch==(\S+)", constraints, flags=re.MULTILINE)
    assert cuda is not None
    assert torch is not None
    driver = LEAST_DRIVER[int(cuda[1].split(".")[0])]
    said = f"torch {torch[1]} is built for CUDA {cuda[1]} and needs NVIDIA driver {driver} or newer"
    for page in ("deploy/Dockerfile", "README.md", "docs/clusters.md", "docs/troubleshooting.md"):
        assert said in re.sub(r"\n#? ?", " ", (PROJECT / page).read_text()), page
