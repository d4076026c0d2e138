"""Temporary names: what clients call unfinished uploads, and what they never call a finished one."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.temporary_names import ANY, OF_CLIENT, fits, is_temporary

#: Names in use: https://winscp.net/eng/docs/resume, rclone's --partial-suffix, lftp's xfer:temp-file-name,
#: Spring Integration's temporary-file-suffix, `do_replace` of GVfs.
SEEN = {
    "winscp": ["report.csv.filepart", "REPORT.CSV.FILEPART"],
    "rclone": ["report.csv.0dc933d0.partial", "x.partial"],
    "lftp": [".in.report.csv", "report.csv.lftp"],
    "spring": ["report.csv.writing"],
    "gvfs": [".giosaveA1b2C3"],
    "in-place": [],
}
OTHERS = ["X.PART", "x.Tmp", "x.uploading", "x.incomplete", "x.crdownload", "x.inprogress", "x.download"]
FINAL = [
    "report.csv",
    "part",
    "x.part1",
    "partial.csv",
    "tmp.csv",
    "in.csv",
    ".in",
    "a.in.csv",
    ".giosave.csv",
    ".x",
]


def test_each_client_is_known_by_its_names_and_all_of_them_are_waited_for():
    assert set(SEEN) == set(OF_CLIENT)
    for client, names in SEEN.items():
        for name in names:
            assert fits(name, OF_CLIENT[client]), name
            assert fits(name, ANY), name
            assert not any(fits(name, its) for other, its in OF_CLIENT.items() if other != client)
    assert all(fits(name, ANY) for name in OTHERS)


@pytest.mark.parametrize("name", FINAL)
def test_names_of_finished_files_are_not_temporary(name):
    assert not fits(name, ANY)


@given(
    name=st.text(st.characters(blacklist_characters="/", blacklist_categories=["Cs"]), min_size=1),
    random=st.text(string.ascii_letters + string.digits, min_size=6, max_size=6),
    flip=st.sampled_from([str, str.upper, str.lower, str.swapcase]),
)
def test_whatever_a_file_is_called_its_temporary_name_is_one_and_only_below_sftp(name, random, flip):
    made = [
        f"{name}.filepart",
        f"{name}.{random}.partial",
        f".in.{name}",
        f"{name}.writing",
        f".giosave{random}",
    ]
    for each in made:
        assert is_temporary(f"inbound/sftp/user/folder/{flip(each)}", ANY)
        assert not is_temporary(f"inbound/sdk/folder/{each}", ANY)
        assert not is_temporary(f"inbound/sftp/user/{each}/final.csv", ANY)
        assert not is_temporary(f"inbound/sftp/user/{each}", OF_CLIENT["in-place"])
