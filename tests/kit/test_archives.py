"""Hostile archives, each made here: every one is refused by name, and nothing is left of it."""

import io
import os
import random
import re
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from finery.kit.archives import UNPACKING, ArchiveLimits, ArchiveRefused, Unpacked, remove_leftovers, unpack

Entries = list[tuple[str, bytes]]

SMALL = ArchiveLimits(entries=50, total_bytes=1 << 20, ratio_free_bytes=64 << 10, depth=4, name_bytes=300)


def make_zip(entries: Entries) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def zip_with(mode: int = 0, *, flags: int = 0, method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("good.txt", b"x")
        info = zipfile.ZipInfo("odd")
        info.external_attr, info.compress_type = mode << 16, method
        archive.writestr(info, b"/etc/passwd")
    data = bytearray(buffer.getvalue())
    for magic, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        position = data.rfind(magic) + offset
        data[position : position + 2] = struct.pack("<H", struct.unpack_from("<H", data, position)[0] | flags)
    return bytes(data)


def zip_with_size(claimed: int) -> bytes:
    """One entry of 200,000 bytes whose headers claim another size."""
    data = bytearray(make_zip([("lies.bin", os.urandom(1000) * 200)]))
    for magic, offset in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        struct.pack_into("<I", data, data.find(magic) + offset, claimed)
    return bytes(data)


def write(folder: Path, data: bytes) -> Path:
    path = folder / "sent"
    path.write_bytes(data)
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def refused(folder: Path, data: bytes, limits: ArchiveLimits = SMALL) -> ArchiveRefused:
    """Why it is refused; that nothing is left of it is checked each time."""
    archive = write(folder, data)
    with pytest.raises(ArchiveRefused) as caught:
        unpack(archive, folder / "out", limits=limits)
    assert [path.name for path in folder.iterdir()] == ["sent"]
    return caught.value


class TestUnpack:
    def test_files_in_folders(self, tmp_path: Path) -> None:
        entries = [("a.txt", b"1"), ("b/c.txt", b"22"), ("./b/名前 имя.jsonl", b"x" * 3000), ("empty", b"")]
        unpacked = unpack(write(tmp_path, make_zip(entries)), tmp_path / "out")
        assert unpacked == Unpacked(files=4, skipped=0, total_bytes=3003)
        assert names_in(tmp_path / "out") == ["a.txt", "b/c.txt", "b/名前 имя.jsonl", "empty"]
        assert (tmp_path / "out/b/c.txt").read_bytes() == b"22"

    def test_takes_what_is_wanted(self, tmp_path: Path) -> None:
        entries = [("a.txt", b"1"), ("b/run.exe", b"22"), ("b/c.JSONL", b"333")]
        unpacked = unpack(
            write(tmp_path, make_zip(entries)),
            tmp_path / "out",
            wanted=lambda name: name.lower().endswith((".txt", ".jsonl")),
        )
        assert unpacked == Unpacked(files=2, skipped=1, total_bytes=4)
        assert names_in(tmp_path / "out") == ["a.txt", "b/c.JSONL"]

    def test_modes_are_ours(self, tmp_path: Path) -> None:
        unpack(write(tmp_path, make_zip([("a.sh", b"1")])), tmp_path / "out")
        assert stat.S_IMODE((tmp_path / "out/a.sh").stat().st_mode) & 0o7111 == 0

    def test_never_into_what_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out/mine").write_text("kept")
        with pytest.raises(OSError, match="not empty"):
            unpack(write(tmp_path, make_zip([("a.txt", b"1")])), tmp_path / "out")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "sent"]
        assert names_in(tmp_path / "out") == ["mine"]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("../x", "out of its folder"),
            ("a/../../x", "out of its folder"),
            ("a/..", "out of its folder"),
            ("..\\x", "out of its folder"),
            ("/etc/passwd", "absolute"),
            ("//server/share", "absolute"),
            ("\\\\server\\share", "absolute"),
            ("C:\\x", "absolute"),
            ("c:x", "absolute"),
            ("a\\b", "backslash"),
            ("a\nb", "control character"),
            ("a\x1b[2J", "control character"),
            ("exe\u202etxt.a", "control character"),
            ("a" * 256, "too long"),
            ("/".join(["a" * 100] * 4), "too long"),
            ("a/b/c/d/e/f", "too deep"),
        ],
    )
    def test_names(self, tmp_path: Path, name: str, reason: str) -> None:
        error = refused(tmp_path, make_zip([("good.txt", b"1"), (name, b"2")]))
        assert reason in error.reason
        assert error.entry is not None
        assert len(error.entry) <= 80
        assert error.entry.isprintable()

    @pytest.mark.parametrize(
        "names",
        [
            ("a.txt", "a.txt"),
            ("a.txt", "A.TXT"),
            ("straße", "STRASSE"),
            ("e\u0301", "\u00e9"),
            ("./a", "a"),
            ("a", "a/b"),
            ("a/b", "a"),
            ("a/x", "A/y"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_duplicates(self, tmp_path: Path, names: tuple[str, str]) -> None:
        error = refused(tmp_path, make_zip([(name, b"1") for name in names]))
        assert "another entry" in error.reason

    def test_too_many_entries(self, tmp_path: Path) -> None:
        assert "more than 50 entries" in str(refused(tmp_path, make_zip([(f"{n}", b"") for n in range(51)])))

    def test_folders_that_names_imply_count(self, tmp_path: Path) -> None:
        entries = [(f"{n}/b/c/d", b"") for n in range(13)]
        assert "more than 50 entries" in str(refused(tmp_path, make_zip(entries)))

    def test_too_much(self, tmp_path: Path) -> None:
        entries = [("a", os.urandom(600_000)), ("b", os.urandom(600_000))]
        assert "more than 1,048,576 bytes" in str(refused(tmp_path, make_zip(entries)))

    def test_empty(self, tmp_path: Path) -> None:
        assert "is empty" in str(refused(tmp_path, make_zip([])))

    def test_cut_short(self, tmp_path: Path) -> None:
        data = make_zip([("a", os.urandom(5000)), ("b", os.urandom(5000))])
        assert "damaged" in str(refused(tmp_path, data[:6000]))

    def test_a_full_disk_is_no_fault_of_the_archive(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: Path, *args: object, **kwargs: object) -> None:
            raise OSError(28, "No space left on device")

        archive = write(tmp_path, make_zip([("a/b", b"1")]))
        real = Path.mkdir
        monkeypatch.setattr(
            Path, "mkdir", lambda self, **kw: real(self, **kw) if UNPACKING in self.name else full(self)
        )
        with pytest.raises(OSError, match="No space left"):
            unpack(archive, tmp_path / "out")
        assert [path.name for path in tmp_path.iterdir()] == ["sent"]

    def test_noise_is_refused_or_unpacked(self, tmp_path: Path) -> None:
        """Whatever bytes change, there is an answer, and never another error."""
        source = random.Random(7)
        whole = make_zip([("a.txt", b"text" * 50), ("b/c.bin", bytes(range(256)))])
        for number in range(150):
            data = bytearray(whole)
            for _ in range(source.randint(1, 8)):
                data[source.randrange(len(data))] = source.randrange(256)
            target = tmp_path / f"out{number}"
            try:
                unpack(write(tmp_path, bytes(data)), target, limits=SMALL)
            except ArchiveRefused:
                assert not target.exists()
        assert not list(tmp_path.glob(UNPACKING + "*"))


class TestRatio:
    def test_a_bomb(self, tmp_path: Path) -> None:
        data = make_zip([("zeros", bytes(900_000))])
        assert "more than 200 times its size" in str(refused(tmp_path, data))


class TestZip:
    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (zip_with(stat.S_IFLNK | 0o777), "symbolic link"),
            (zip_with(stat.S_IFIFO), "neither a file nor a folder"),
            (zip_with(stat.S_IFCHR), "neither a file nor a folder"),
            (zip_with(flags=0x1), "encrypted"),
            (zip_with(flags=0x40), "encrypted"),
            (zip_with(method=zipfile.ZIP_BZIP2), "unusual way"),
            (zip_with(method=zipfile.ZIP_LZMA), "unusual way"),
            (zip_with_size(10), "damaged"),
            (zip_with_size(300_000), "lies about its size"),
            (zip_with_size(0xFFFFFFF0), "lies about its size"),
            (make_zip([("nul-here", b"1")]).replace(b"nul-here", b"nul\0here"), "control character"),
            (make_zip([("a", b"1" * 100)])[:-10], "damaged"),
        ],
        # Archives hold the time: the workers of one test run would give them different names.
        ids=lambda value: value if isinstance(value, str) else "zip",
    )
    def test_refused(self, tmp_path: Path, data: bytes, reason: str) -> None:
        assert reason in refused(tmp_path, data).reason

    def test_a_changed_byte(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("a", b"secret" * 5)
        data = buffer.getvalue().replace(b"secret", b"public")
        assert "damaged: Bad CRC" in str(refused(tmp_path, data))

    def test_a_million_entries_are_refused_before_they_are_read(self, tmp_path: Path) -> None:
        """In a process of its own whose memory would not hold them."""
        entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0)
        with (tmp_path / "sent").open("wb") as file:
            file.write(b"PK\3\4" + bytes(26))
            size = sum(file.write(entry + b"%06d" % number) for number in range(1_000_000))
            file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, size, 30, 0))
        program = (
            "import resource, sys; from pathlib import Path; from finery.kit import archives\n"
            "resource.setrlimit(resource.RLIMIT_AS, (400 << 20,) * 2)\n"
            "try: archives.unpack(Path(sys.argv[1]), Path(sys.argv[2]))\n"
            "except archives.ArchiveRefused as error: print(error)"
        )
        command = [sys.executable, "-O", "-c", program, str(tmp_path / "sent"), str(tmp_path / "out")]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.stdout.strip() == "the archive has a directory of more than 12,800,000 bytes", result.stderr
        assert not (tmp_path / "out").exists()

    @pytest.mark.thorough
    def test_of_more_than_65535_entries(self, tmp_path: Path) -> None:
        archive = write(tmp_path, make_zip([(f"{n}", b"") for n in range(66_000)]))
        assert unpack(archive, tmp_path / "out", wanted=lambda name: name == "65999").skipped == 65_999

    def test_with_a_comment(self, tmp_path: Path) -> None:
        buffer = io.BytesIO(make_zip([("a", b"1")]))
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.comment = b"packed by a test"
        assert unpack(write(tmp_path, buffer.getvalue()), tmp_path / "out").files == 1


class TestOther:
    @pytest.mark.parametrize(
        "data", [b"", b"text", b"PK\7\x08" + bytes(600), b"7z\xbc\xaf" * 300, b"\x1f\x8b" + bytes(600)]
    )
    def test_is_no_archive(self, tmp_path: Path, data: bytes) -> None:
        assert str(refused(tmp_path, data)) == "the archive is no zip"

    def test_memory_stays_flat(self, tmp_path: Path) -> None:
        """100 MiB in one entry."""
        block = os.urandom(1 << 20)
        with zipfile.ZipFile(tmp_path / "sent", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open("large.bin", "w") as file:
                for _ in range(100):
                    file.write(block)
        program = (
            "import sys; from pathlib import Path; from finery.kit import archives\n"
            "print(archives.unpack(Path(sys.argv[1]), Path(sys.argv[2])).total_bytes)\n"
            "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "sent"), str(tmp_path / "out")]
        size, peak = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
        assert size == 100 << 20
        assert peak < 70 << 10


class TestRemoveLeftovers:
    def test_only_those(self, tmp_path: Path) -> None:
        (tmp_path / f"{UNPACKING}abc" / "deep").mkdir(parents=True)
        (tmp_path / "kept").mkdir()
        remove_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]


class TestArchiveRefused:
    def test_names_are_made_printable_and_short(self) -> None:
        error = ArchiveRefused("is odd", entry="a\x1b[31m" + "b" * 300)
        assert re.fullmatch(r"entry 'a\\x1b\[31mb+…' is odd", str(error))
