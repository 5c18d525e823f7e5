"""What tests/proof/run and tests/proof/breaks share: the list of proved functions, and Frama-C."""

import dataclasses
import glob
import json
import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = ("frama-c", "why3", "cvc4", "z3")
OPTIONS = ("wraps", "split")
# Each prover's time is wall time on machines that may be busy; no goal needs more than a few.
TIMEOUT_SECONDS = 60
SMOKE_SECONDS = 1
# Leaves the smoke tests, for which WP has no name.
ONLY_SMOKE = ",".join(f"-@{kind}" for kind in (
    "requires", "assigns", "ensures", "assert", "invariant", "variant", "complete_behaviors",
    "disjoint_behaviors"))
HARMLESS = (
    # \from clauses serve hypotheses about callers, which are printed where there are any.
    r"No \\from specification for assigned pointer",
    # What printf does with its format is not a matter of these proofs; gcc checks it.
    r"Call to function \w+ with non-static format argument",
)
ANNOTATION = re.compile(r"/\*@.*?\*/|//@[^\n]*(?:\n[ \t]*//@[^\n]*)*", re.DOTALL)
COMMENT = re.compile(r"/\*(?!@).*?\*/|//(?!@)[^\n]*", re.DOTALL)
DECLARATION = re.compile(r"\s*([A-Za-z_][^;{}()=]*?)(\w+)\(")
# Of `} while`, the loop is at its `do`.
LOOP = re.compile(r"\b(?:for|do|\w+_each)\b|(?<!\} )\bwhile\b")


class Problem(Exception):
    """Something is wrong with the list or the machine; its text says what."""


@dataclasses.dataclass
class Entry:
    """A file of the list."""
    file: str
    what: str = ""
    prove: list = dataclasses.field(default_factory=list)
    trust: dict = dataclasses.field(default_factory=dict)
    unframed: dict = dataclasses.field(default_factory=dict)
    assume: dict = dataclasses.field(default_factory=dict)
    options: list = dataclasses.field(default_factory=list)
    model: str = "Typed+Cast"


@dataclasses.dataclass
class Outcome:
    """What Frama-C said about one file."""
    goals: dict = dataclasses.field(default_factory=dict)   # function: [proved, total]
    smoke: dict = dataclasses.field(default_factory=dict)   # function: [passed, total]
    open: list = dataclasses.field(default_factory=list)    # (function, goal)
    doomed: list = dataclasses.field(default_factory=list)  # (function, smoke test)
    contracts: set = dataclasses.field(default_factory=set)  # functions that have one
    longest_seconds: float = 0
    problems: list = dataclasses.field(default_factory=list)


def read_list(path=os.path.join(HERE, "functions")):
    entries = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0].strip()
            if line:
                key, _, value = line.partition(":")
                read_line(entries, key, value.strip(), f"{os.path.relpath(path, TOP)}:{number}")
    return entries


def read_line(entries, key, value, where):
    if key == "file":
        entries.append(Entry(value))
    elif not entries:
        raise Problem(f"{where}: before the first file")
    elif key == "what":
        entries[-1].what = value
    elif key == "prove":
        entries[-1].prove += value.split()
    elif key in ("trust", "unframed", "assume"):
        name, _, why = value.partition(": ")
        if not why:
            raise Problem(f"{where}: without a reason")
        getattr(entries[-1], key)[name] = why
    elif key == "options":
        for option in value.split():
            if option.startswith("model="):
                entries[-1].model = option.removeprefix("model=")
            elif option in OPTIONS:
                entries[-1].options.append(option)
            else:
                raise Problem(f"{where}: no option {option}")
    else:
        raise Problem(f"{where}: no key {key}")


def sources():
    """(path, text without ordinary comments) of all that may hold contracts."""
    for path in sorted(glob.glob(os.path.join(TOP, "server", "**", "*.[ch]"), recursive=True) +
                       glob.glob(os.path.join(TOP, "proto", "*.[ch]")) +
                       glob.glob(os.path.join(TOP, "include", "**", "*.h"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            yield os.path.relpath(path, TOP), COMMENT.sub(" ", file.read())


def unlisted_contract(path, annotation, declaration, by_file):
    """What is wrong with the annotation, if it is a function's contract: a list."""
    if not declaration or not re.search(r"\b(ensures|assigns)\b", annotation) or \
            re.search(r"\bloop\b", annotation):
        return []
    own = path.endswith(".c") and re.search(r"\bstatic\b", declaration[1])
    listed = by_file.get(path, set()) if own else set().union(*by_file.values())
    if declaration[2] in listed:
        return []
    return [f"{path}: {declaration[2]} has a contract and is not listed in tests/proof/functions"
            f"{', under its file' if own else ''}"]


def unlisted(entries):
    """What the sources have and the list does not: functions with contracts (static ones under
    their own file), axioms, and what Frama-C takes for granted because it is told to."""
    assumed = {name for entry in entries for name in entry.assume}
    by_file = {entry.file: {*entry.prove, *entry.trust} for entry in entries}
    found = []
    for path, text in sources():
        for annotation in ANNOTATION.finditer(text):
            found += [f"{path}: axiom {name} is not listed in tests/proof/functions"
                      for name in re.findall(r"\baxiom\s+(\w+)", annotation[0])
                      if name not in assumed]
            found += [f"{path}: not proved, but taken for true: {admitted}"
                      for admitted in re.findall(r"\badmit\b[^\n]*", annotation[0])]
            found += unlisted_contract(path, annotation[0],
                                       DECLARATION.match(text, annotation.end()), by_file)
    return found


def body(texts, name):
    """The first body of that name in the texts, or None."""
    for text in texts:
        found = re.search(rf"\b{name}\((?:[^;{{}}=]*)\)\s*\{{", text)
        if not found:
            continue
        depth, end = 1, found.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        return text[found.end():end]
    return None


def endless(entry):
    """Loops without a variant, and jumps: of what might not end, everything is proved."""
    texts = dict(sources())
    found = []
    for name in entry.prove:
        code = body([texts[entry.file], *(t for p, t in texts.items() if p.endswith(".h"))], name)
        if code is None:
            found.append(f"{name}: its body is not found")
            continue
        bare = re.sub(r'"(?:\\.|[^"\\])*"', '""', ANNOTATION.sub(" ", code))
        loops = len(LOOP.findall(bare))
        variants = len(re.findall(r"\bloop\s+variant\b", " ".join(ANNOTATION.findall(code))))
        if loops != variants:
            found.append(f"{name}: {loops} loops, {variants} variants")
        if re.search(rf"\bgoto\b|\b{name}\(", bare):
            found.append(f"{name}: jumps, or calls itself: nothing shows that it ends")
    return found


def require_programs():
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise Problem(f"{', '.join(missing)} not found; deploy/install-deps --test installs them")


def why3_configuration(folder):
    """A file that says where the provers are: made anew here, never the user's own."""
    path = os.path.join(folder, "why3.conf")
    fresh = f"{path}.{os.getpid()}"
    done = subprocess.run(["why3", "config", "detect"], env={**os.environ, "WHY3CONFIG": fresh},
                          capture_output=True, text=True, check=False)
    if done.returncode != 0 or not os.path.exists(fresh):
        raise Problem(f"why3 config detect: {done.stdout}{done.stderr}")
    os.replace(fresh, path)
    return path


def frama_c(entry, folder, top, extra, report):
    """Runs it on one file of the tree `top`; (its report or None, what it printed)."""
    if os.path.exists(report):
        os.remove(report)
    command = ["frama-c", "-c11", "-machdep", "gcc_x86_64",
               # as in a release build: must_debug (base/must.h) is nothing there
               "-cpp-extra-args=-Iserver -I. -Iinclude -D_GNU_SOURCE -D__OPTIMIZE__",
               "-wp", "-wp-rte", "-wp-model", entry.model, "-wp-cache", "none",
               "-wp-session", os.path.join(folder, "session"), "-wp-out", report + ".wp",
               "-wp-par", str(2 * (os.cpu_count() or 2)),  # one or the other waits
               "-wp-report-json", report]
    if "wraps" not in entry.options:
        command.append("-warn-unsigned-overflow")
    if "split" in entry.options:
        command.append("-wp-split")
    done = subprocess.run([*command, *extra, entry.file], cwd=top, capture_output=True, text=True,
                          env={**os.environ, "PWD": top,  # where Frama-C starts
                               "WHY3CONFIG": os.path.join(folder, "why3.conf")},
                          check=False)
    shutil.rmtree(report + ".wp", ignore_errors=True)
    with open(report.removesuffix(".json") + ".log", "w", encoding="utf-8") as log:
        log.write(done.stdout + done.stderr)
    if done.returncode == 0 and "Warning: No goal generated" in done.stdout:
        return {}, ""
    if done.returncode != 0 or not os.path.exists(report):
        return None, done.stdout + done.stderr
    with open(report, encoding="utf-8") as file:
        return json.load(file), done.stdout


def goals_of(report):
    """(function or lemma, goal, proved, total) of all."""
    for section, items in ((s, i) for s, i in report.items() if s != "wp:global"):
        for owner, goals in items.items():
            for goal, provers in goals.items():
                if goal != "wp:section" and "wp:main" in provers:
                    count = provers["wp:main"]
                    name = owner if section == "wp:functions" else "lemmas"
                    yield name, goal, count.get("valid", 0), count["total"]


def warnings(text, entry):
    """Each with the lines that belong to it, but for those that are known to be no trouble."""
    known = [*HARMLESS] + [f"No 'assigns' specification for function '{name}'"
                           for name in entry.unframed]
    found = re.findall(r"^\[[^\]\n]+\](?: [^\n]*)? ?Warning:[^\n]*(?:\n  [^\n]*)*", text, re.M)
    return [re.sub(r"\s+", " ", w).strip() for w in found if not re.search("|".join(known), w)]


def tally(counts, name, valid, total):
    sums = counts.setdefault(name, [0, 0])
    sums[0] += valid
    sums[1] += total


def counted_otherwise(report, text):
    """Problems: Frama-C's own count of the goals is not that of its report."""
    said = re.search(r"^\[wp\] Proved goals: +(\d+) / (\d+)", text, re.M)
    sums = [0, 0]
    for _, _, valid, total in goals_of(report):
        sums = [sums[0] + valid, sums[1] + total]
    own = [int(n) for n in said.groups()] if said else [0, 0]
    return [] if own == sums else [f"the report has {sums[0]}/{sums[1]} goals, "
                                   f"Frama-C says {own[0]}/{own[1]}"]


def prove(entry, folder, top=TOP, timeout=TIMEOUT_SECONDS, smoke=True, lemmas=True):
    """The Outcome for one file of the tree `top`. Reports and logs go to `folder`."""
    outcome = Outcome()
    base = os.path.join(folder, entry.file.replace("/", "_"))
    provers = ["-wp-prover", "cvc4,z3", "-wp-timeout", str(timeout)]
    # Lemmas serve as assumptions wherever they are seen, and belong to no function: in a pass of
    # their own.
    passes = [("", ["-wp-fct", ",".join(entry.prove)]), (".lemmas", ["-wp-prop", "@lemma"])]
    for kind, which in passes if lemmas else passes[:1]:
        report, text = frama_c(entry, folder, top, provers + which, f"{base}{kind}.json")
        if report is None:
            outcome.problems.append("Frama-C gives up:\n" + "\n".join(text.splitlines()[-12:]))
            return outcome
        collect(report, outcome)
        outcome.problems += counted_otherwise(report, text)
        outcome.longest_seconds = max(outcome.longest_seconds, longest_seconds(text))
        outcome.problems += [w for w in warnings(text, entry) if w not in outcome.problems]
    without = sorted(set(entry.prove) - outcome.contracts)
    outcome.problems += [f"{name}: no contract" for name in without]
    if smoke:
        smoke_tests(entry, folder, top, base, outcome)
    return outcome


def longest_seconds(text):
    """What the goal that took longest took."""
    times = re.findall(r": Valid (?:\(Qed:[^)]*\) )?\(([\d.]+)(ms|s)\)", text)
    return max((float(n) / (1000 if unit == "ms" else 1) for n, unit in times), default=0)


def collect(report, outcome):
    for name, goal, valid, total in goals_of(report):
        tally(outcome.goals, name, valid, total)
        if valid < total:
            outcome.open.append((name, goal))
        if re.search(r"_(ensures|assigns)", goal):
            outcome.contracts.add(name)


def smoke_tests(entry, folder, top, base, outcome):
    """Tries to prove false from each contract and at each branch. One prover tries: two would
    double the time, which is spent on waiting for them to give up."""
    seconds = str(SMOKE_SECONDS)
    report, text = frama_c(entry, folder, top,
                        ["-wp-prover", "cvc4", "-wp-timeout", seconds, "-wp-smoke-tests",
                         "-wp-smoke-timeout", seconds, "-wp-fct", ",".join(entry.prove),
                         f"-wp-prop={ONLY_SMOKE}"],
                        base + ".smoke.json")
    if report is None:
        outcome.problems.append("Frama-C gives up at the smoke tests")
        return
    outcome.problems += counted_otherwise(report, text)
    for name, goal, valid, total in goals_of(report):
        if "wp_smoke" in goal:
            tally(outcome.smoke, name, valid, total)
            if valid < total:
                outcome.doomed.append((name, goal))
