"""Sizes: of files, functions, lines. Only the ratchet file may let one exceed its limit."""

import ast
from dataclasses import dataclass

FILE_LINES = 400
HEADER_LINES = 250
FUNCTION_LINES = 70
COMPLEXITY = 15
LINE_COLUMNS = 100

RATCHET = "tests/tidy/ratchet.txt"


@dataclass(frozen=True)
class Measure:
    key: str        # "file PATH", "function PATH NAME", "complexity PATH NAME"
    line: int
    value: int
    limit: int

    @property
    def rule(self):
        kind = self.key.split(" ", 1)[0]
        return kind if kind == "complexity" else f"{kind}-size"


def _file(source):
    if source.is_code:
        limit = HEADER_LINES if source.path.endswith(".h") else FILE_LINES
        yield Measure(f"file {source.path}", 1, source.text.count("\n"), limit)


def _c_functions(source):
    for f in source.functions:
        yield Measure(f"function {source.path} {f.name}", f.line, f.lines, FUNCTION_LINES)
        yield Measure(f"complexity {source.path} {f.name}", f.line, f.complexity, COMPLEXITY)


_PYTHON_BRANCHES = (ast.If, ast.For, ast.While, ast.IfExp, ast.ExceptHandler, ast.comprehension)


def _python_functions(source):
    try:
        tree = ast.parse(source.text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            branches = 1 + sum(isinstance(n, _PYTHON_BRANCHES) for n in ast.walk(node)) + \
                sum(len(n.values) - 1 for n in ast.walk(node) if isinstance(n, ast.BoolOp))
            yield Measure(f"function {source.path} {node.name}", node.lineno,
                          node.end_lineno - node.lineno + 1, FUNCTION_LINES)
            yield Measure(f"complexity {source.path} {node.name}", node.lineno, branches,
                          COMPLEXITY)


def measures(source):
    yield from _file(source)
    if source.is_c:
        yield from _c_functions(source)
    if source.is_python:
        yield from _python_functions(source)


def ratchet_of(sources):
    """{key: allowed} from the ratchet file: lines 'KEY ... ALLOWED', # begins a comment."""
    allowed = {}
    for source in sources:
        if source.path == RATCHET:
            for line in source.lines:
                line = line.split("#", 1)[0].strip()
                if line:
                    key, value = line.rsplit(" ", 1)
                    allowed[key] = int(value)
    return allowed


def sizes(sources):
    """Over the limit is a finding; so is a ratchet entry that could be lowered or is not needed."""
    allowed = ratchet_of(sources)
    needed = set()
    for source in sources:
        for m in measures(source):
            if m.value > m.limit and m.key in allowed:
                needed.add(m.key)
            bound = max(m.limit, allowed.get(m.key, 0))
            if m.value > bound:
                yield source.at(m.line, m.rule, f"{m.key}: {m.value}, limit {bound}")
            elif m.limit < m.value < bound:
                yield source.at(m.line, m.rule, f"{m.key}: lower the ratchet to {m.value}")
    for source in sources:
        if source.path == RATCHET:
            for key in sorted(set(allowed) - needed):
                yield source.at(1, "ratchet", f"{key}: not needed any more, take it out")


def line_columns(source):
    if not source.is_code:
        return
    for number, line in enumerate(source.lines, 1):
        if len(line) > LINE_COLUMNS:
            yield source.at(number, "line-columns", f"{len(line)} columns, limit {LINE_COLUMNS}")
