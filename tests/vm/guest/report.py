"""Runs unittest cases and reports each to the host, line by line.

usage: report.py MODULE...     (of tests/system, or beside this file)
"""
import os
import pathlib
import sys
import traceback
import unittest

ROOT = pathlib.Path(os.environ["JAILSVC_BUILD"]).parents[1]
sys.path.insert(0, str(ROOT / "tests/system"))


def tell(word, text="", why=""):
    """One line to the host; see tests/vm/README.md for the words."""
    line = "\t".join(" ".join(part.split()) for part in (f"{word} {text}", why) if part) + "\n"
    with open(os.environ["JAILSVC_TEST_REPORT"], "wb", buffering=0) as report:
        report.write(line.encode())


def says(text):
    with open(os.environ["JAILSVC_TEST_REPORT"], "wb", buffering=0) as report:
        for line in text.splitlines():
            report.write(f"says {line}\n".encode())


def name_of(test):
    """What the case claims: its documentation, or its name as words."""
    words = test.id().rsplit(".", 1)[-1].removeprefix("test_").replace("_", " ")
    claim = test.shortDescription() or words
    area = type(test).__module__.removesuffix("_test")
    return f"{getattr(test, 'AREA', area)}: {claim.rstrip('.')}"


class Reported(unittest.TestResult):
    def startTest(self, test):
        super().startTest(test)
        self.failed = False
        tell("begin", name_of(test))

    def addSuccess(self, test):
        super().addSuccess(test)
        tell("held", name_of(test))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        tell("skipped", name_of(test), reason.removeprefix("skipped: "))

    def fail(self, test, error):
        # A class that cannot be set up has no method and is not begun.
        tell("failed", name_of(test) if hasattr(test, "_testMethodName") else str(test))
        says("".join(traceback.format_exception(*error)))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.fail(test, err)

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            says(f"{subtest}")
            self.fail(test, err)


def run(*modules):
    suite = unittest.defaultTestLoader.loadTestsFromNames(modules)
    result = Reported()
    suite.run(result)
    return result


if __name__ == "__main__":
    sys.exit(0 if run(*sys.argv[1:]).wasSuccessful() else 1)
