"""`bansweep deploy`: what it prints for sweeps, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import typer
import yaml
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from manifest_checks.everything import problems
from manifest_checks.objects import Manifest
from manifest_checks.rendering import PROJECT, SWEEPS, rendered
from patience import PROCESS_S
from typer.testing import CliRunner

from bansweep.cli.commands.deploy import deploy
from bansweep.errors import RequestError, SweepFileError
from bansweep.jobs.kubernetes import is_too_large_to_apply, manifest_yaml

QUICKSTART = PROJECT / "sweeps" / "quickstart.yaml"


def run(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(deploy)
    return CliRunner().invoke(
        app, [str(one) for one in arguments], env={"BANSWEEP_IMAGE": None, "BANSWEEP_STORE": None}
    )


def deployed(*arguments: str | Path) -> tuple[Manifest, Manifest]:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    assert result.stderr == ""
    config_map, ray_job = yaml.safe_load_all(result.stdout)
    return config_map, ray_job


def refused(*arguments: str | Path) -> RequestError:
    result = run(*arguments)
    assert result.stdout == ""
    assert isinstance(result.exception, RequestError), result.exception
    return result.exception


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_sweep_of_ours_is_valid_beside_the_cluster(sweep: str) -> None:
    objects = deployed(PROJECT / "sweeps" / sweep, "--image", "registry.example.com/bansweep:0.1.0-cuda")
    assert problems([*rendered("gpu"), *objects]) == []
    assert objects[0]["data"]["sweep.yaml"] == (PROJECT / "sweeps" / sweep).read_text()


def test_job_and_file_belong_together() -> None:
    config_map, ray_job = deployed(QUICKSTART, "--namespace", "team-a", "--cluster", "shared")
    assert (config_map["kind"], ray_job["kind"]) == ("ConfigMap", "RayJob")
    assert config_map["metadata"] == ray_job["metadata"]
    assert ray_job["metadata"]["namespace"] == "team-a"
    spec = ray_job["spec"]
    assert spec["clusterSelector"] == {"ray.io/cluster": "shared"}
    pod = spec["submitterPodTemplate"]["spec"]
    (volume,) = [one for one in pod["volumes"] if "configMap" in one]
    assert volume["configMap"]["name"] == config_map["metadata"]["name"]
    (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == volume["name"]]
    (key,) = config_map["data"]
    assert pod["containers"][0]["command"][2] == f"{mount['mountPath']}/{key}"
    assert pod["initContainers"][0]["command"][-1] == "http://shared-head-svc:8265/api/gcs_healthz"


def test_same_again_is_the_same_and_a_change_is_another() -> None:
    first = run(QUICKSTART).stdout
    assert run(QUICKSTART).stdout == first
    name = yaml.safe_load(first.split("---\n")[1])["metadata"]["name"]
    changes = (
        ["--set", "recipe.epochs=3"],
        ["--only", "wrn-10-1"],
        ["--rehearse"],
        ["--budget", "2"],
        ["--store", "s3://b/s"],
        ["--cluster", "other"],
        ["--image", "bansweep:2"],
    )
    names = [deployed(QUICKSTART, *change)[1]["metadata"]["name"] for change in changes]
    assert len({name, *names}) == len(changes) + 1


def test_changed_file_is_another(tmp_path: Path) -> None:
    changed = tmp_path / "quickstart.yaml"
    changed.write_text(QUICKSTART.read_text() + "# more\n")
    assert deployed(changed)[0]["metadata"]["name"] != deployed(QUICKSTART)[0]["metadata"]["name"]


def test_store_of_this_machine_is_not_the_clusters() -> None:
    app = typer.Typer()
    app.command()(deploy)
    result = CliRunner().invoke(app, [str(QUICKSTART)], env={"BANSWEEP_STORE": "/home/me/store"})
    assert result.exit_code == 0
    assert "/home/me/store" not in result.stdout


def test_wrong_sweep_is_refused_with_all_that_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(QUICKSTART.read_text().replace("teacher: teacher", "teacher: teecher") + "\nbudgt: 1\n")
    error = refused(wrong)
    assert isinstance(error, SweepFileError)
    assert len(error.problems) >= 2
    assert isinstance(refused(QUICKSTART, "--set", "recipe.epochs=many"), SweepFileError)
    assert isinstance(refused(QUICKSTART, "--budget", "-1"), SweepFileError)
    assert isinstance(refused(tmp_path / "none.yaml"), SweepFileError)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--store", "results"], "relative folder"),
        (["--store", "s3://key:secret@bucket/store"], "credentials"),
        (["--namespace", "Team"], "namespace"),
        (["--cluster", "a.b"], "RayCluster"),
        (["--image", "a b"], "image"),
    ],
)
def test_options_that_cannot_be_right(arguments: list[str], told: str) -> None:
    error = refused(QUICKSTART, *arguments)
    assert told in error.cause
    assert "secret" not in error.cause


def padded(path: Path, size: int) -> Path:
    """A sweep file of exactly so many bytes, in lines as long as one may be."""
    text = QUICKSTART.read_text()
    left = size - len(text.encode())
    lines, rest = divmod(left, 100)
    path.write_text(text + ("#" * 99 + "\n") * lines + ("#" * (rest - 1) + "\n" if rest else ""))
    assert path.stat().st_size == size
    return path


def test_large_file_comes_with_a_word_about_kubectl(tmp_path: Path) -> None:
    """`kubectl apply` has 262,144 bytes for its own note of what it applied."""
    small = padded(tmp_path / "small.yaml", 200_000)
    assert run(small).stderr == ""
    large = padded(tmp_path / "large.yaml", 300_000)
    result = run(large)
    assert result.exit_code == 0
    assert "--server-side" in result.stderr
    assert next(yaml.safe_load_all(result.stdout))["data"]["sweep.yaml"] == large.read_text()


def test_largest_sweep_fits_into_a_config_map_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    """A ConfigMap's values have 1 MiB in all, as a sweep file."""
    result = run(padded(tmp_path / "largest.yaml", 2**20))
    assert result.exit_code == 0
    assert len(next(yaml.safe_load_all(result.stdout))["data"]["sweep.yaml"].encode()) == 2**20
    assert "1,048,576 at most" in refused(padded(tmp_path / "more.yaml", 2**20 + 1)).cause


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), whitelist_characters="\n\t"))


@given(TEXTS)
def test_any_text_comes_back_from_the_yaml(text: str) -> None:
    manifest = {"kind": "ConfigMap", "data": {"sweep.yaml": text, "other": "no"}}
    assert list(yaml.safe_load_all(manifest_yaml([manifest, manifest]))) == [manifest, manifest]


def test_a_file_can_be_read_in_the_yaml() -> None:
    assert "\n    name: quickstart\n" in run(QUICKSTART).stdout


def test_size_is_that_of_the_json_that_kubectl_notes() -> None:
    assert not is_too_large_to_apply({"data": "a" * 250_000})
    assert is_too_large_to_apply({"data": "\n" * 150_000})  # two characters each


def test_submitter_waits_until_the_head_is_well() -> None:
    """The init container's program, against a server that refuses twice."""
    answers = [503, 404, 200]

    class Head(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers.pop(0))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    program = deployed(QUICKSTART)[1]["spec"]["submitterPodTemplate"]["spec"]["initContainers"][0]["command"]
    assert program[:2] == ["python", "-c"]
    impatient = program[2].replace("sleep(5)", "sleep(0)")
    assert impatient != program[2]
    with HTTPServer(("127.0.0.1", 0), Head) as head:
        thread = Thread(target=head.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{head.server_port}/api/gcs_healthz"
        run = subprocess.run([sys.executable, "-c", impatient, url], capture_output=True, text=True, timeout=PROCESS_S)
        head.shutdown()
        thread.join()
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("waiting for") == 2
    assert answers == []


def test_status_of_a_wrong_request(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bansweep", "deploy", str(tmp_path / "none.yaml")]
    run = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=PROCESS_S)
    assert (run.returncode, run.stdout) == (2, "")
    assert "none.yaml: no such file" in run.stderr


def test_nothing_heavy_is_loaded() -> None:
    script = (
        "import sys; from bansweep.cli.commands.deploy import deploy; from pathlib import Path\n"
        "deploy(Path(sys.argv[1]), namespace='a', cluster='a', image='a:1', store=None)\n"
        "heavy = {'torch', 'ray', 'mlflow', 'numpy', 'pyarrow', 'fsspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script, str(QUICKSTART)], check=True, cwd=PROJECT, capture_output=True)
