"""The ctypes declarations against the headers: a C program, compiled here, says what is true."""

import ctypes
import os
import re
import subprocess

import pytest
from conftest import HERE

import gradfold
from gradfold import _arrays, _library, errors

INCLUDE = os.path.join(HERE, "../../include")
POINTER = "pointer"
SCALARS = {
    "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64, "size_t": ctypes.c_size_t,
    "bool": ctypes.c_bool, "gf_code": ctypes.c_int, "gf_dtype": ctypes.c_int, "void": None,
}


@pytest.fixture(scope="module")
def headers():
    """All public headers in one, without comments."""
    text = ""
    for name in ("types.h", "job.h", "gradfold.h"):
        with open(os.path.join(INCLUDE, "gradfold", name), encoding="utf-8") as file:
            text += file.read()
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)


def compiled(folder, lines):
    """What a C program that includes gradfold.h prints."""
    source, program = folder / "layout.c", folder / "layout"
    body = "\n".join(f"    {line}" for line in lines)
    source.write_text("#include <gradfold/gradfold.h>\n#include <stdio.h>\n"
                      f"int main(void)\n{{\n{body}\n    return 0;\n}}\n")
    subprocess.run(["cc", "-I", INCLUDE, "-o", program, source], check=True)
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("structure", _library.STRUCTURES, ids=lambda s: s.__name__)
def test_structures_have_the_sizes_and_offsets_of_the_header(structure, headers, tmp_path):
    name = structure.__name__
    body = re.search(rf"typedef struct {name} {{(.*?)}} {name};", headers, re.DOTALL).group(1)
    members = re.findall(r"(\w+)\s*(?:\[\w+\])?;", body)
    assert [field[0] for field in structure._fields_] == members
    lines = [f'printf("%zu\\n", sizeof({name}));']
    lines += [f'printf("%zu %zu\\n", offsetof({name}, {m}), sizeof((({name} *)0)->{m}));'
              for m in members]
    expected = [ctypes.sizeof(structure)]
    for member in members:
        field = getattr(structure, member)
        expected += [field.offset, field.size]
    assert [int(word) for word in compiled(tmp_path, lines)] == expected


def kind_of(text):
    """A C type, as far as a call cares: a pointer, or the ctypes class of a scalar."""
    if "*" in text:
        return POINTER
    words = [w for w in text.split() if w != "const"]
    return SCALARS[words[0]]


def kind_of_ctypes(declared):
    pointers = (ctypes.c_void_p, ctypes.c_char_p)
    if declared in pointers or (declared and issubclass(declared, ctypes._Pointer)):
        return POINTER
    return declared


@pytest.mark.parametrize("name", _library.FUNCTIONS)
def test_functions_have_the_signatures_of_the_header(name, headers):
    result, arguments = _library.FUNCTIONS[name]
    found = re.search(rf"GF_API ([\w\s*]+?)\b{name}\(([^)]*)\)", headers)
    parameters = [p for p in found.group(2).split(",") if p.strip() != "void"]
    assert kind_of_ctypes(result) == kind_of(found.group(1))
    assert [kind_of_ctypes(a) for a in arguments] == [kind_of(p) for p in parameters]


def test_every_code_has_its_exception(headers):
    codes = dict(re.findall(r"GF_(\w+) = (\d+)", re.search(
        r"typedef enum gf_code {(.*?)}", headers, re.DOTALL).group(1)))
    assert int(codes.pop("OK")) == 0
    spelled = {c.code: c.__name__.upper() for c in errors.BY_CODE.values()}
    others = {"CLIENT_PROTOCOL": "PROTOCOLERROR", "CLIENT_BUFFER": "BUFFERMISMATCH",
              "CLIENT_SYSTEM": "SYSTEMFAILURE"}
    expected = {int(n): others.get(c, c.replace("CLIENT_", "").replace("_", ""))
                for c, n in codes.items()}
    assert spelled == expected
    for code, made in errors.BY_CODE.items():
        assert getattr(gradfold, made.__name__) is made
        assert issubclass(made, gradfold.Error) and made.__doc__


def test_dtypes_states_and_limits_are_those_of_the_header(tmp_path):
    said = compiled(tmp_path, [f'printf("%d\\n", GF_{n.upper()});' for n in _arrays.CODES])
    assert [int(word) for word in said] == list(_arrays.CODES.values())
    limits = compiled(tmp_path, [
        'printf("%llu\\n", (unsigned long long)GF_NEWEST_ROUND);',
        'printf("%u\\n", GF_NO_TIMEOUT);', 'printf("%d\\n", GF_DUPLICATE);',
        'printf("%d %d %d\\n", GF_ROUND_OPEN, GF_ROUND_CLOSING, GF_ROUND_CLOSED);',
        'printf("%d.%d.%d\\n", GF_VERSION_MAJOR, GF_VERSION_MINOR, GF_VERSION_PATCH);'])
    assert limits == [str(_library.NEWEST_ROUND), str(_library.NO_TIMEOUT), "2", "1", "2", "3",
                      gradfold.__version__]
    assert {1: "open", 2: "closing", 3: "closed"} == gradfold._job._STATES
