"""The wheel: built and installed without a network, used from outside the tree."""

import glob
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from conftest import HERE

import gradfold

SOURCE = os.path.join(HERE, "../../client/python")
PROGRAM = """
import sys
import numpy as np
import gradfold
assert gradfold.__file__.startswith(sys.argv[2]), gradfold.__file__
with gradfold.connect(sys.argv[1]) as client:
    client.create_job("packaged", {"a": np.zeros(3, np.float32)}, 1)
    print(client.push_pull("packaged", 0, 0, 0, {"a": np.ones(3, np.float32)})[1]["a"])
"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def clean(**more):
    """The environment without what the tests set up."""
    hidden = ("PYTHONPATH", "GRADFOLD_LIBRARY", "LD_LIBRARY_PATH")
    return {**{k: v for k, v in os.environ.items() if k not in hidden}, **more}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """(wheel, sdist), of a copy: nothing is left in the tree."""
    folder = tmp_path_factory.mktemp("build")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    made = run(sys.executable, "-c", "from setuptools import build_meta as b; import sys;"
               "print('made', b.build_wheel('..'), b.build_sdist('..'))", cwd=folder / "source")
    wheel, sdist = made.splitlines()[-1].split()[1:]
    return folder / wheel, folder / sdist


def test_the_wheel_holds_the_package_and_says_what_it_is(built):
    wheel, sdist = built
    assert wheel.name == f"gradfold-{gradfold.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        [metadata] = [archive.read(n).decode() for n in names if n.endswith("/METADATA")]
    expected = {os.path.relpath(os.path.join(folder, name), SOURCE)
                for folder, _, found in os.walk(os.path.join(SOURCE, "gradfold"))
                for name in found if name.endswith((".py", "py.typed"))}
    assert expected <= names and "gradfold/py.typed" in expected
    assert "Requires-Dist: numpy" in metadata and "License: Apache-2.0" in metadata
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("/gradfold/torch/_optimizer.py") for name in archive.getnames())


@pytest.mark.training
def test_it_installs_and_runs_outside_the_tree(built, address, tmp_path):
    venv, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()
    run(sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", str(venv))
    python = str(venv / "bin/python")
    [pip] = glob.glob("/usr/share/python-wheels/pip-*.whl")  # of python3-venv; runs as it is
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", str(built[0]),
        env=clean(PYTHONPATH=pip))
    command = [python, "-W", "error", "-c", PROGRAM, address, str(venv)]

    # No library anywhere: the message says what to do.
    done = subprocess.run(command, capture_output=True, text=True, cwd=elsewhere, check=False,
                          env=clean())
    if done.returncode != 0:  # it is 0 on a machine where libgradfold is installed
        assert "ImportError: gradfold needs its C library" in done.stderr
        assert "set GRADFOLD_LIBRARY" in done.stderr

    # Beside the package.
    [package] = venv.glob("lib/python3*/site-packages/gradfold")
    shutil.copy(os.environ["GRADFOLD_LIBRARY"], package / "libgradfold.so.0")
    assert run(*command, cwd=elsewhere, env=clean()) == "[1. 1. 1.]\n"

    # Said: that one and no other.
    done = subprocess.run(command, capture_output=True, text=True, cwd=elsewhere, check=False,
                          env=clean(GRADFOLD_LIBRARY="/nowhere/libgradfold.so.0"))
    assert done.returncode != 0 and "/nowhere/libgradfold.so.0" in done.stderr


def test_a_library_that_does_not_fit_is_refused(tmp_path):
    """An older one, without a function; one of another version."""
    functions = "".join(f"void {name}(void) {{}}\n" for name in gradfold._library.FUNCTIONS
                        if name != "gf_version")
    for name, text, words in (
            ("older", "", "has no gf_version(): it is older than this package"),
            ("newer", f"{functions}const char *gf_version(void) {{ return \"9.8.7\"; }}\n",
             "is version 9.8.7, this package needs 0.1")):
        source, library = tmp_path / f"{name}.c", tmp_path / f"{name}.so"
        source.write_text(text)
        run("cc", "-shared", "-fPIC", "-w", "-o", str(library), str(source))
        done = subprocess.run([sys.executable, "-c", "import gradfold"], capture_output=True,
                              text=True, check=False, cwd=SOURCE,
                              env=clean(GRADFOLD_LIBRARY=str(library)))
        assert "ImportError" in done.stderr and words in done.stderr
