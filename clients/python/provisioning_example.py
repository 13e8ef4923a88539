# An example of provisioning: which tools the agents of some bottles get, as things stand.
# Not here: the question itself (rebottle_capabilities.py), anything but the list of tools.
"""usage: provisioning_example.py DATABASE SLUG=BACKEND…"""

import sys

from rebottle_capabilities import DATABASE, supports

ALWAYS = ["read_file", "run_tests"]


def tools_for(backend, database=DATABASE):
    """(the tools of an agent whose bottle is one of this backend's, why capability_block is not among them)"""
    answer = supports(backend, "capability_block", database)
    if answer:
        return ALWAYS + ["capability_block"], ""
    return ALWAYS, f"{answer.reason_code}: {answer.message}"


def main(arguments):
    if len(arguments) < 2 or not all("=" in bottle for bottle in arguments[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    for bottle in arguments[1:]:
        slug, backend = bottle.split("=", 1)
        tools, hidden = tools_for(backend, arguments[0])
        print(f"{slug}: {' '.join(tools)}" + (f"  (capability_block is hidden: {hidden})" if hidden else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
