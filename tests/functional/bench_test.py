# The benchmark on a few jobs: each number that it prints is one of jobs that were really done.
# Not here: how large the numbers are; that is the machine's.
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench/throughput.py"
BIN = Path(os.environ["REBOTTLE_BUILD_DIR"]) / "bin"
JOBS = 100


class Bench(unittest.TestCase):
    def test_its_ratios_are_of_jobs_that_were_done(self):
        done = subprocess.run([sys.executable, BENCH, "--bin", BIN, "--jobs", str(JOBS), "--json"],
                              capture_output=True, text=True, timeout=280)
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual(found["jobs"], JOBS)
        self.assertGreater(found["steps_per_job"], len("prepare snapshot stop apply restart verify".split()))
        here, transactions = found["here"], found["steps_per_job"] / found["here"]["bare_transactions_per_s"]
        for name, expected in (("throughput", here["jobs_per_s"] * transactions),
                               ("latency", transactions / (here["one_job_ms"] / 1000))):
            self.assertAlmostEqual(found[name], expected, delta=0.01 + 0.02 * expected, msg=f"{name} of {found}")
        # It was killed with jobs under way.
        self.assertIn(here["taken_over"], range(1, JOBS + 1), found)
        self.assertGreater(here["ready_after_kill_s"], 0, found)


if __name__ == "__main__":
    unittest.main()
