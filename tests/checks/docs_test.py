# What the docs promise to list is listed: every reason code of the Docker backend has its way out in docs/docker.md,
# or, where it comes from building for another backend, in docs/smolmachines.md.
# Not here: whether the way out helps (tests/functional).
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Why a leftover stays is in the log; a job never ends with these.
OF_LEFTOVERS = {"in_use", "not_removed", "running"}
# The code is the first text of a refusal, or set by itself.
CODE = re.compile(r'(?:Outcome::\w+,\s*|stale\(\s*|unsupported\(\s*|unfit\(\s*|reason(?:_code)? = (?:[^;"]*\? )?|'
                  r'return \{)"([a-z]+(?:_[a-z]+)*)"(?: : "([a-z]+(?:_[a-z]+)*)")?')


class Docs(unittest.TestCase):
    def test_every_reason_of_the_docker_backend_has_its_way_out(self):
        found = set()
        for source in (ROOT / "worker/backends/docker").rglob("*.cpp"):
            found |= {code for codes in CODE.findall(source.read_text()) for code in codes if code}
        self.assertGreater(len(found), 40, "the pattern finds them no more")
        text = "".join((ROOT / "docs" / page).read_text() for page in ("docker.md", "smolmachines.md"))
        self.assertEqual(sorted(code for code in found - OF_LEFTOVERS if f"`{code}`" not in text), [])


if __name__ == "__main__":
    unittest.main()
