"""The programs in client/python/README.md, as they stand there."""

import os
import re

import pytest
from conftest import HERE
from test_examples import run_all

README = os.path.join(HERE, "../../client/python/README.md")


@pytest.fixture
def program(address, tmp_path):
    """Writes a program of the README to a file, with the address of the server that runs here."""
    def write(name):
        with open(README, encoding="utf-8") as file:
            [text] = re.findall(rf"```python\n(# {name}\n.*?)```", file.read(), re.DOTALL)
        assert text.count('"127.0.0.1:7433"') == 1
        path = tmp_path / name
        path.write_text(text.replace("127.0.0.1:7433", address), encoding="utf-8")
        return str(path)
    return write


@pytest.mark.training
def test_the_pytorch_program(program):
    pytest.importorskip("torch")
    path = program("train.py")
    first, second = run_all([[path, str(rank), "2"] for rank in range(2)])
    assert re.fullmatch(r"worker 0: loss 0\.\d+, weights \S+\n", first)
    assert first.split("weights")[1] == second.split("weights")[1]


def test_the_numpy_program(program):
    [said] = run_all([[program("push_pull.py")]])
    assert said == "[[2. 2. 2.]\n [2. 2. 2.]] 2\n"
