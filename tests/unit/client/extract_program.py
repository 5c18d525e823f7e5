"""Writes the C blocks of a Markdown file to files of their own.

usage: extract_program.py README.md PROGRAM.c..."""

import re
import sys


def main():
    readme, *programs = sys.argv[1:]
    with open(readme, encoding="utf-8") as f:
        blocks = re.findall(r"^```c\n(.*?)^```$", f.read(), re.DOTALL | re.MULTILINE)
    if len(blocks) != len(programs):
        sys.exit(f"{readme}: {len(blocks)} C blocks instead of {len(programs)}")
    for program, block in zip(programs, blocks):
        with open(program, "w", encoding="utf-8") as f:
            f.write(block)


if __name__ == "__main__":
    main()
