"""Writes the first C block of a Markdown file to a file of its own.

usage: extract_program.py README.md PROGRAM.c"""

import re
import sys


def main():
    readme, program = sys.argv[1:]
    with open(readme, encoding="utf-8") as f:
        found = re.search(r"^```c\n(.*?)^```$", f.read(), re.DOTALL | re.MULTILINE)
    if found is None:
        sys.exit(f"{readme}: no C block")
    with open(program, "w", encoding="utf-8") as f:
        f.write(found.group(1))


if __name__ == "__main__":
    main()
