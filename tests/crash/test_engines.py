"""The campaign over engines: what it counts, and what its exit says."""

from tests.engines import Ran, _count, table

REPORT = """<testsuites><testsuite>
<testcase classname="tests.real.test_loop" name="a"/>
<testcase classname="tests.real.test_loop" name="b"><failure/></testcase>
<testcase classname="tests.real.test_loop" name="c"><error/></testcase>
<testcase classname="tests.real.test_crash" name="d"><skipped/></testcase>
</testsuite></testsuites>"""


def _ran(tmp_path, report, version="28.5.2 (API 1.51)"):
    path = tmp_path / "tests.xml"
    path.write_text(report)
    ran = Ran("modern", version)
    _count(ran, path)
    return ran


def test_the_table_tells_each_engines_passed_failed_and_skipped_by_file(tmp_path):
    ran = _ran(tmp_path, REPORT)

    lines = [line.split() for line in table([ran]).splitlines()]
    assert ["test_loop", "1/2/0"] in lines
    assert ["test_crash", "0/0/1"] in lines
    assert ["all", "1/2/1"] in lines
    assert ran.failed == ["test_loop::b", "test_loop::c"]


def test_an_engine_that_failed_a_test_ran_none_or_did_not_start_is_not_well(tmp_path):
    passed = REPORT.replace("<failure/>", "").replace("<error/>", "")

    assert _ran(tmp_path, passed).code == 0
    assert _ran(tmp_path, REPORT).code == 1
    assert _ran(tmp_path, "<testsuites/>").code == 2
    assert Ran("modern").code == 2
