"""Every format, damaged in every way: each file is a clear error or a right result."""

import pytest
from damage import checked_format
from formats import FORMATS

FAST, ALL = 12, 2100  # cases: of each format in the fast suite, of all together


@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_a_damaged_file_is_a_clear_error_or_a_right_result(form, tmp_path):
    checked_format(form, FAST, 1, tmp_path / "files")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_many_damaged_files_are_clear_errors_or_right_results(form, tmp_path):
    checked_format(form, -(-ALL // len(FORMATS)), 2, tmp_path / "files")
