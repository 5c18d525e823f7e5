"""How the results are shown, and kept as JSON."""

import os
import platform
import shutil
import subprocess

from targets import targets

NAME_COLUMNS = 44


def first_line(*command):
    """What a program says about its version; None without it."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if done.returncode == 0 and lines else None


def _value_of(path, key, separator):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            for line in f:
                name, _, value = line.partition(separator)
                if name.strip() == key:
                    return value.strip().strip('"')
    except OSError:
        pass
    return "unknown"


def machine():
    return {"cpu": _value_of("/proc/cpuinfo", "model name", ":"), "cores": os.cpu_count(),
            "memory": _value_of("/proc/meminfo", "MemTotal", ":"),
            "system": _value_of("/etc/os-release", "PRETTY_NAME", "="),
            "kernel": platform.release(), "load_before": os.getloadavg()[0]}


def print_row(row):
    """The first figure with its extremes, the others as medians; last, the first figure by that of
    the first contestant."""
    print(f"\n{row.title}")
    headings = [f"{heading:>11}" for _, heading, _ in row.figures]
    print(f"  {'':{NAME_COLUMNS}}{headings[0]} {'(min - max)':>23}{''.join(headings[1:])}"
          f"{'by first':>10}")
    first = row.spread(row.contestants[0].name, row.figures[0][0])
    for contestant in row.contestants:
        name = contestant.name
        if name in row.failures:
            print(f"  {name:{NAME_COLUMNS}} FAILED")
            continue
        line = f"  {name:{NAME_COLUMNS}}"
        for i, (key, _, digits) in enumerate(row.figures):
            spread = row.spread(name, key)
            if spread is None:
                line += f"{'-':>11}"
                continue
            line += f"{spread[1]:11,.{digits}f}"
            if i == 0:
                line += f" {f'({spread[0]:,.{digits}f} - {spread[2]:,.{digits}f})':>23}"
        middle = row.spread(name, row.figures[0][0])
        print(line + (f"{middle[1] / first[1]:10.2f}" if middle and first else ""), flush=True)


def print_targets(rows):
    found = list(targets(rows))
    if not found:
        return
    print(f"\n{'target':76}{'wanted':>12}{'measured':>12}  (min - max)")
    for t in found:
        middle = extremes = "-"
        if t.measured:
            low, middle, high = (f"{value:,.{t.digits}f}" for value in t.measured)
            extremes = f"({low} - {high})"
        print(f"{t.what:76}{t.wanted:>12}{middle:>12}  {extremes:22} {t.verdict()}")


def _named(spread):
    return spread and dict(zip(("min", "median", "max"), spread))


def as_json(rows):
    return {
        "rows": [{
            "row": row.kind, "title": row.title, "settings": row.settings,
            "load_after": row.load_after,
            "contestants": [{
                "name": c.name, "command": c.command, "failed": row.failures.get(c.name),
                "figures": {key: _named(row.spread(c.name, key)) for key, _, _ in row.figures
                            if row.spread(c.name, key)},
                "runs": row.results[c.name],
            } for c in row.contestants],
        } for row in rows],
        "targets": [{"target": t.what, "wanted": t.wanted, "measured": _named(t.measured),
                     "met": t.met} for t in targets(rows)],
    }
