# How the real smolvm changes the settings of a machine that does not run. The backend makes a new machine instead, and
# these are the reasons for and the limits of that. Not here: what the backend calls (contract_test.py).
import json
import unittest

from smolvm_case import Case


class Settings(Case):
    def test_an_update_can_be_repeated(self):
        self.create("m", "-e", "OLD=1")
        for _ in range(2):
            self.ok("machine", "update", "--name", "m", "-e", "NEW=2", "--remove-env", "OLD", "--cpus", "2",
                    "--mem", "512")
            machine = self.machines()["m"]
            self.assertEqual((machine["cpus"], machine["memory_mib"]), (2, 512))

    def test_a_whole_allow_list_can_be_set_twice(self):
        self.create("m", "--net", "--allow-cidr", "10.1.0.0/16", "--allow-cidr", "10.2.0.0/16")
        for _ in range(2):
            self.ok("machine", "update", "--name", "m", "--reset-allow-list", "--allow-cidr", "10.2.0.0/16",
                    "--allow-cidr", "10.3.0.0/16")
            self.assertEqual(sorted(self.machines()["m"]["allowed_cidrs"]), ["10.2.0.0/16", "10.3.0.0/16"])

    def test_labels_cannot_be_updated(self):
        self.create("m", "--label", "bottle=b")
        done = self.call("machine", "update", "--name", "m", "--label", "bottle=c")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(self.machines()["m"]["labels"], {"bottle": "b"})

    def test_status_is_the_same_object_as_in_the_list(self):
        self.create("m", "--label", "bottle=b")
        status = json.loads(self.ok("machine", "status", "--name", "m", "--json").stdout)
        self.assertEqual(status, self.machines()["m"])

    def test_the_code_of_a_missing_machine_depends_on_the_verb(self):
        """Which is why only the list says whether a machine exists."""
        self.refused("CONFIG_ERROR", "not found", "machine", "status", "--name", "gone", "--json")
        self.refused("CONFIG_ERROR", "not found", "machine", "update", "--name", "gone", "--cpus", "2")


if __name__ == "__main__":
    unittest.main()
