# What the docs promise to list is listed: every reason code of the service and of its backends has its way out on a
# page. And their tables are whole.
# Not here: whether the way out helps (tests/functional).
import re
import subprocess
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where the codes of a folder are explained. What building for another backend adds is on that one's page; what undo
# says before it asks a backend, with what lasts; what only `supports` says, with the verb.
PAGES = (
    ("worker/backends/docker", 40, ("docker.md", "smolmachines.md")),
    ("worker/backends/smolmachines", 40, ("smolmachines.md",)),
    ("worker/engine", 15, ("state-machine.md", "docker.md", "cli.md")),
    ("schema", 1, ("state-machine.md",)),
)
# Why a leftover stays is in the log, and these answer requests; a job never ends with them.
OF_LEFTOVERS = {"in_use", "not_removed", "running"}
OF_REQUESTS = {"done", "refused", "failed"}
# The code is the first text of a refusal, or set by itself.
CODE = re.compile(r'(?:(?:Outcome|Event)::\w+,\s*|stale\(\s*|unsupported\(\s*|unfit\(\s*|'
                  r'reason(?:_code)? = (?:[^;"]*\? )?|return \{)"([a-z]+(?:_[a-z]+)*)"(?: : "([a-z]+(?:_[a-z]+)*)")?')
RULER = re.compile(r"\|(?: *:?-+:? *\|)+")


def rows_of_tables(text):
    """(line number, the table's columns, the row's) of each row of each table."""
    fenced, columns, above = False, None, ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced = not fenced
        cells = len(re.findall(r"(?<!\\)\|", line)) - 1
        if fenced or not line.startswith("|"):
            columns = None
        elif RULER.fullmatch(line):
            columns = cells
            yield number - 1, columns, len(re.findall(r"(?<!\\)\|", above)) - 1
        elif columns is not None:
            yield number, columns, cells
        above = line


class Docs(unittest.TestCase):
    def test_every_reason_has_its_way_out(self):
        for folder, count, pages in PAGES:
            with self.subTest(folder):
                found = set()
                for source in (ROOT / folder).rglob("*.cpp"):
                    found |= {code for codes in CODE.findall(source.read_text()) for code in codes if code}
                found -= OF_LEFTOVERS | OF_REQUESTS
                self.assertGreaterEqual(len(found), count, "the pattern finds them no more")
                text = "".join((ROOT / "docs" / page).read_text() for page in pages)
                self.assertEqual(sorted(code for code in found if f"`{code}`" not in text), [])

    def test_every_row_of_a_table_has_its_cells(self):
        pages = subprocess.run(["git", "-C", ROOT, "ls-files", "*.md"], check=True, capture_output=True, text=True,
                               timeout=30).stdout.split()
        rows = [(page, *row) for page in pages for row in rows_of_tables((ROOT / page).read_text())]
        self.assertGreater(len(rows), 300, "no tables are found any more")
        self.assertEqual([f"{page}:{line}: {cells} of {columns} cells" for page, line, columns, cells in rows
                          if cells != columns], [])


if __name__ == "__main__":
    unittest.main()
