# Keeps the counted list of test names honest: each name listed exists, ran, and was not skipped; none is unlisted.
# Not a runner: it reads what ctest knows and what it wrote.
"""usage: test_list.py compare BUILD | ran BUILD JUNIT | update BUILD"""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

LIST = Path(__file__).resolve().parents[1] / "expected-tests.txt"
HEAD = "# The names of all tests, counted. Written by script/test --update-list, compared at each run.\n"


def known(build):
    out = subprocess.run(["ctest", "--test-dir", build, "-N"], check=True, capture_output=True, text=True).stdout
    # clang-tidy's, one per source, are there only when they are asked for.
    return sorted(name for name in re.findall(r"^ *Test +#\d+: (.+)$", out, re.M) if not name.startswith("tidy:"))


def expected():
    return [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]


def update(build):
    names = known(build)
    LIST.write_text(f"{HEAD}# {len(names)} tests\n" + "".join(name + "\n" for name in names))
    print(f"{LIST.name}: {len(names)} tests")
    return []


def compare(build):
    listed, there = set(expected()), set(known(build))
    count = f"# {len(expected())} tests"
    return ([f"listed, but gone: {name}" for name in sorted(listed - there)] +
            [f"not in {LIST.name} (script/test --update-list): {name}" for name in sorted(there - listed)] +
            ([] if count in LIST.read_text().splitlines() else [f"the count is wrong; expected: {count}"]))


def ran(_, junit):
    cases = {case.get("name"): case.get("status") for case in ET.parse(junit).getroot().iter("testcase")}
    return ([f"did not run: {name}" for name in expected() if name not in cases and not name.startswith("long:")] +
            [f"{status}: {name}" for name, status in sorted(cases.items()) if status not in ("run", "fail")])


def main(arguments):
    verbs = {"compare": compare, "ran": ran, "update": update}
    if len(arguments) < 2 or arguments[0] not in verbs:
        print(__doc__, file=sys.stderr)
        return 2
    faults = verbs[arguments[0]](*arguments[1:])
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
