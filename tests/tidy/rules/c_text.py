"""Just enough reading of C for the rules: comments and literals gone, functions found."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""/\*.*?\*/ | //[^\n]*
      | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
      | ^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*""",
    re.VERBOSE | re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_BRANCH = re.compile(r"\b(?:if|for|while|switch)\b|&&|\|\||\?|\b\w+_each\s*\(")
_NOT_FUNCTIONS = {"if", "for", "while", "switch", "return", "sizeof", "__attribute__"}


@dataclass(frozen=True)
class Function:
    name: str
    line: int       # of its first line, the return type included
    lines: int
    complexity: int
    body: str


def strip(text):
    def blank(match):
        token = match.group()
        kept = token[0] if token[0] in "\"'" else ""
        return kept + "\n" * token.count("\n") + kept
    return _TOKEN.sub(blank, text)


def complexity(body):
    """McCabe's number with a switch counted once: a table of cases is easy to read."""
    return 1 + len(_BRANCH.findall(body))


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def _closing(text, at, opening="{", closing="}"):
    depth = 0
    for i in range(at, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == closing:
            depth -= 1
            if depth == 0:
                return i
    return len(text) - 1


def _declared_name(head):
    """The name before the first parameter list of a function's head, or None for other blocks."""
    if "=" in head or not head.rstrip().endswith(")"):
        return None
    for match in re.finditer(r"([A-Za-z_]\w*)\s*\(", head):
        if match.group(1) not in _NOT_FUNCTIONS:
            return match.group(1)
    return None


def functions(bare):
    found = []
    start = 0           # of the declaration that is being read, outside all braces
    at = 0
    while at < len(bare):
        c = bare[at]
        if c == ";":
            start = at + 1
        elif c == "{":
            head = bare[start:at]
            if re.search(r'\bextern\s*""\s*$', head):
                start = at + 1
            else:
                end = _closing(bare, at)
                name = _declared_name(head)
                if name is not None:
                    first = start + len(head) - len(head.lstrip())
                    found.append(Function(name, line_of(bare, first),
                                          line_of(bare, end) - line_of(bare, first) + 1,
                                          complexity(bare[at:end]), bare[at:end + 1]))
                    start = end + 1
                at = end
        elif c == "}":
            start = at + 1
        at += 1
    return found


def outer_statements(bare):
    """(line, text) of what stands outside all functions and braces, initialisers cut off."""
    flat = []
    start = at = 0
    while at < len(bare):
        if bare[at] == "{":
            end = _closing(bare, at)
            is_function = _declared_name(bare[start:at]) is not None
            inside = bare[at:end + 1]
            bare = bare[:at] + ("; " if is_function else "{}") + "\n" * inside.count("\n") + \
                bare[end + 1:]
            if is_function:
                continue
            at += 1
        elif bare[at] == ";":
            text = bare[start:at]
            first = start + len(text) - len(text.lstrip())
            flat.append((line_of(bare, first), " ".join(text.split())))
            start = at + 1
        at += 1
    return flat


def words(text):
    return _WORD.findall(text)
