"""A test that is not registered never runs, and nobody notices."""

import re

TESTS_CMAKE = "tests/CMakeLists.txt"


def registered_tests(sources):
    texts = {s.path: s.text for s in sources if s.name == "CMakeLists.txt"}
    tests_cmake = texts.get(TESTS_CMAKE, "")
    for source in sources:
        match = re.fullmatch(r"tests/unit/(\w+)/(test_\w+\.c)", source.path)
        if not match:
            continue
        area, name = match.groups()
        own = texts.get(f"tests/unit/{area}/CMakeLists.txt", "")
        stem = name.removesuffix(".c")
        short = stem.removeprefix("test_")
        if not re.search(rf"\b{stem}\b|(?<![\w.-]){short}(?![\w.-])", own):
            yield source.at(1, "registered", f"not in tests/unit/{area}/CMakeLists.txt")
        if not re.search(rf"\b{area}\b", tests_cmake):
            yield source.at(1, "registered", f"{TESTS_CMAKE} does not add tests/unit/{area}")


_CASE = re.compile(r"cmocka_unit_test\w*\(\s*(\w+)")
_TEST_FUNCTION = re.compile(r"^static void (\w+)\(void \*\*\w*\)", re.MULTILINE)


def registered_cases(source):
    """Within a program: a function with the shape of a test that no table names."""
    if not source.path.startswith("tests/unit/") or not source.path.endswith(".c"):
        return
    for match in _TEST_FUNCTION.finditer(source.text):
        name = match.group(1)
        if len(re.findall(rf"\b{name}\b", source.text)) < 2:
            line = source.text.count("\n", 0, match.start()) + 1
            yield source.at(line, "registered", f"{name} is in no table of tests")
