# Feeds script/lint with small good and bad files: each rule must find its case and nothing else.
# Not here: the run over the repository itself (ctest's `lint`).
import importlib.machinery
import importlib.util
import unittest
from pathlib import Path

LINT = Path(__file__).resolve().parents[2] / "script" / "lint"
loader = importlib.machinery.SourceFileLoader("lint", str(LINT))
spec = importlib.util.spec_from_loader("lint", loader)
lint = importlib.util.module_from_spec(spec)
loader.exec_module(lint)

OPENING = "// What it is for.\n// Not here: the rest.\n"


def findings(body, path="worker/engine/x.cpp", opening=OPENING):
    return [f.text for f in lint.check_file(path, opening + body)]


class CoAwait(unittest.TestCase):
    GOOD = (
        "co_await pause(timer);",
        "auto row = co_await store.run(work);",
        "const auto [a, b] = co_await race(x, y);",
        "row = co_await store.run(std::move(work));",
        "co_return co_await next(state);",
        "if (ready) co_await pause(timer);",
        "if (a == b) { x(); } else co_await pause(timer);",
        "for (auto& one : all) co_await one.close();",
        "while (true) { co_await pause(timer); }",
        "switch (s) { case State::stop: co_await pause(timer); }",
        "auto winner = co_await (work() || deadline());",
        "}\n#define PAUSE(timer) co_await pause(timer)\nvoid g() {",
        "auto x = co_await socket.async_read_some(buffer(data), use_awaitable);",
        '// if (co_await x) and f({co_await y})\nlog("co_await f({1})");',
    )
    BAD = (
        "if (co_await ready()) go();",
        "if (auto x = co_await ready(); x) go();",
        "while (co_await ready()) go();",
        "switch (co_await ready()) {}",
        "for (auto x : co_await all()) go(x);",
        "go(co_await ready());",
        "auto x = (co_await ready()).value();",
        "auto x = !co_await ready();",
        "auto x = co_await call(Options{1});",
        "auto x = co_await call({1, 2});",
        "co_await run([this] { go(); });",
        "auto x = a == co_await b();",
        "auto x = co_await (ready ? a() : b());",
        "co_return Result{co_await b()};",
    )

    def test_allows_the_forms_of_the_house_style(self):
        for body in self.GOOD:
            with self.subTest(body):
                self.assertEqual(findings("void f() { " + body + " }\n"), [])

    def test_refuses_what_the_compiler_gets_wrong(self):
        for body in self.BAD:
            with self.subTest(body):
                self.assertTrue(findings("void f() { " + body + " }\n"))

    def test_refuses_coroutine_lambdas_with_captures(self):
        body = "auto f = [{}](int n) -> awaitable<void> {{ co_return; }};\n"
        self.assertEqual(findings(body.format("")), [])
        self.assertEqual(len(findings(body.format("this"))), 1)
        self.assertEqual(len(findings(body.format("&x, y"))), 1)


class BannedWords(unittest.TestCase):
    def test_each_row_finds_its_word_in_code_only(self):
        samples = ("detached", "sleep_for(d)", "std::rand()", "system_clock::now()", "strcpy(a, b)", "system(x)",
                   "std::endl", "std::shared_mutex m")
        self.assertEqual(len(samples), len(lint.BANNED))
        for sample in samples:
            with self.subTest(sample):
                self.assertEqual(len(findings(f"void f() {{ g({sample}); }}\n")), 1)
                self.assertEqual(findings(f'// {sample}\nauto s = "{sample}";\n'), [])

    def test_says_what_to_use_instead(self):
        self.assertIn("task group", findings("spawn(x, detached);\n")[0])

    def test_lets_the_one_home_of_a_word_alone(self):
        self.assertEqual(findings("auto f() { return system_clock::now(); }\n", "worker/engine/clock.cpp"), [])

    def test_names_that_begin_alike_are_free(self):
        self.assertEqual(findings("std::random_device random; operand(x);\n"), [])

    def test_methods_of_that_name_are_no_shell(self):
        self.assertEqual(findings("a.system(x); std::system_error(e); b->popen(y);\n"), [])


class Includes(unittest.TestCase):
    def allowed(self, path, include):
        opening = OPENING + ("#pragma once\n" if path.endswith(".hpp") else "")
        return not findings(f"#include {include}\n", path, opening)

    def test_arrows_point_down_only(self):
        self.assertTrue(self.allowed("worker/engine/x.cpp", '"schema/rows.hpp"'))
        self.assertTrue(self.allowed("tools/x.cpp", '"schema/operator_store.hpp"'))
        self.assertTrue(self.allowed("tests/unit/x.cpp", '"worker/engine/x.hpp"'))
        self.assertFalse(self.allowed("statemachine/x.cpp", '"schema/rows.hpp"'))
        self.assertFalse(self.allowed("schema/x.cpp", '"worker/backends/backend.hpp"'))
        self.assertFalse(self.allowed("tools/x.cpp", '"worker/backends/backend.hpp"'))

    def test_a_backend_is_named_by_the_registry_alone(self):
        entry = '"worker/backends/docker/docker_module.hpp"'
        self.assertTrue(self.allowed("worker/builtin_backends.cpp", entry))
        self.assertTrue(self.allowed("tests/unit/x.cpp", entry))
        for path in ("worker/program.cpp", "worker/engine/config.hpp", "worker/engine/x.cpp"):
            self.assertFalse(self.allowed(path, entry))
        self.assertTrue(self.allowed("worker/engine/x.cpp", '"worker/backends/module.hpp"'))

    def test_backends_see_neither_engine_nor_store_nor_each_other(self):
        here = "worker/backends/docker/x.cpp"
        self.assertTrue(self.allowed(here, '"worker/backends/docker/y.hpp"'))
        self.assertTrue(self.allowed(here, '"worker/backends/backend.hpp"'))
        self.assertTrue(self.allowed(here, '"schema/args.hpp"'))
        self.assertFalse(self.allowed(here, '"schema/job_store.hpp"'))
        self.assertFalse(self.allowed(here, '"worker/engine/clock.hpp"'))
        self.assertFalse(self.allowed(here, '"worker/backends/smolmachines/y.hpp"'))

    def test_libraries_stay_at_home(self):
        self.assertTrue(self.allowed("schema/x.cpp", "<SQLiteCpp/SQLiteCpp.h>"))
        self.assertFalse(self.allowed("worker/engine/x.cpp", "<sqlite3.h>"))
        self.assertFalse(self.allowed("statemachine/x.cpp", "<boost/system/result.hpp>"))
        self.assertFalse(self.allowed("schema/x.cpp", "<boost/asio/awaitable.hpp>"))
        self.assertFalse(self.allowed("worker/backends/docker/x.hpp", "<boost/beast/http.hpp>"))


class Form(unittest.TestCase):
    def test_sql_lives_in_schema(self):
        body = 'auto q = "SELECT a FROM jobs";\nauto r = R"(INSERT INTO jobs VALUES (1))";\n'
        self.assertEqual(len(findings(body)), 2)
        self.assertEqual(findings(body, "schema/x.cpp"), [])
        self.assertEqual(findings('say("select one from the list; update it");\n'), [])

    def test_files_say_what_they_are_for_and_what_not(self):
        self.assertEqual(findings("int x;\n"), [])
        self.assertTrue(findings("int x;\n", opening="// One line.\n"))
        self.assertTrue(findings("int x;\n", opening=""))
        self.assertEqual(findings("x = 1\n", "tests/x.py", "#!/usr/bin/env python3\n# For this.\n# Not that.\n"), [])
        self.assertTrue(findings("x = 1\n", "tests/x.py", "#!/usr/bin/env python3\n"))

    def test_headers_are_included_once(self):
        self.assertTrue(findings("int x;\n", "worker/x.hpp"))
        self.assertEqual(findings("#pragma once\nint x;\n", "worker/x.hpp"), [])

    def test_lines(self):
        self.assertTrue(findings("int x;" + " " * 3 + "\n"))
        self.assertTrue(findings("\tint x;\n"))
        self.assertTrue(findings("int x;"))
        python = "# For this.\n# Not that.\n"
        self.assertTrue(findings("# " + "x" * 120 + "\n", "tests/x.py", python))
        self.assertEqual(findings("// " + "x" * 120 + "\n"), [], "clang-format's business")
        self.assertTrue(findings("// TO" + "DO later\n"))
        self.assertTrue(findings(f'auto p = "{LINT.parents[1]}/x";\n'))
        self.assertTrue(findings('auto p = "/home/' + 'jo/src/x";\n'))
        self.assertEqual(findings('auto p = "/home/agent/notes";\n'), [])

    def test_long_files_are_refused(self):
        self.assertTrue(findings("int x;\n" * (lint.FILE_MAX["source"] + 1)))

    def test_a_test_that_no_list_names_is_found(self):
        files = {"tests/unit/a_test.cpp": "", "tests/unit/b_test.cpp": "", "tests/unit/CMakeLists.txt": "a_test.cpp"}
        found = [f.path for f in lint.check_registered(sorted(files), files.get)]
        self.assertEqual(found, ["tests/unit/b_test.cpp"])


if __name__ == "__main__":
    unittest.main()
