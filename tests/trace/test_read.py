import gzip
from pathlib import Path

import pytest

from cowmodel.errors import ConfigError
from cowmodel.trace import read_trace

PAGES = b"seq,rw,page,n\n0,W,1000,9\n9,R,1001,2\n"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_trace(path)
    return str(caught.value)


def save(folder: Path, content: bytes) -> Path:
    path = folder / "some.trace"
    path.write_bytes(content)
    return path


def test_compression_is_told_by_content_and_not_by_name(tmp_path: Path):
    path = save(tmp_path, gzip.compress(PAGES))

    assert read_trace(path).records == 2


def test_a_path_may_be_text(tmp_path: Path):
    assert read_trace(str(save(tmp_path, PAGES))).records == 2


def test_a_missing_file_is_named(tmp_path: Path):
    path = tmp_path / "nothing"

    assert refusal(path) == f"{path}: expected a trace, got no such file; check the path"


def test_a_missing_folder_is_named(tmp_path: Path):
    assert "got no such file" in refusal(tmp_path / "no" / "log")


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = save(tmp_path, PAGES)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)

    assert refusal(path).endswith("got 'Permission denied'; check its rights")


def test_a_truncated_gzip_file_is_refused(tmp_path: Path):
    path = save(tmp_path, gzip.compress(PAGES)[:-12])

    assert "expected a whole gzip file, got a truncated one; copy it again" in refusal(path)


@pytest.mark.parametrize("at", [3, 15, -8])
def test_a_damaged_gzip_file_is_refused(tmp_path: Path, at: int):
    packed = bytearray(gzip.compress(PAGES))
    packed[at] ^= 0xFF

    assert "gzip file, got a" in refusal(save(tmp_path, bytes(packed)))


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0)])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes):
    assert "expected a trace, got an empty file; record it again" in refusal(save(tmp_path, content))


def test_a_table_without_records_is_refused(tmp_path: Path):
    path = save(tmp_path, b"seq,rw,page,n\n")

    assert "expected records below the header, got none" in refusal(path)


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"name,age\nx,3\n", "'name,age'"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b"==7== Memcheck, a memory error detector\n", "'==7== Memcheck"),
        (b"# only a comment\n", "got ''"),
    ],
)
def test_a_foreign_file_is_refused_with_the_known_formats(tmp_path: Path, content: bytes, shown: str):
    message = refusal(save(tmp_path, content))

    assert "expected a trace with the header 'seq,rw,page,n'" in message.replace(
        "'t_us,proc,mode,ec,area,page,class' or ", ""
    )
    assert shown in message
    assert "configs/traces/README.md shows the formats" in message


def test_a_folder_without_logs_is_refused(tmp_path: Path):
    save(tmp_path, PAGES)

    assert "expected lackey logs in the folder, got none of 1 files" in refusal(tmp_path)
