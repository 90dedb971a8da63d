"""Seeded inputs of the benchmarks: FASTQ, FASTA, CSV with quoted newlines, VCF with samples; plain, gzip and BGZF.

    python bench/make_data.py FOLDER [SCALE]

SCALE 1 gives about 100 to 300 MB of plain text a file. A file that is there already with the same seed and scale is kept.
"""

from __future__ import annotations

import json
import os
import pathlib
import random
import struct
import sys
import zlib
from collections.abc import Iterable

SEED = 1
MB = 1_000_000


def _letters(rng: random.Random, n: int, alphabet: bytes) -> bytes:
    table = bytes(alphabet[i % len(alphabet)] for i in range(256))
    return rng.randbytes(n).translate(table)


def fastq(rng: random.Random, size: int) -> Iterable[bytes]:
    bases = _letters(rng, 8 * MB, b"ACGT")
    levels = _letters(rng, 8 * MB, b"FFFFFFFFFFFF:::,,#")
    done = number = 0
    while done < size:
        block = []
        for _ in range(2000):
            number += 1
            a, b = rng.randrange(8 * MB - 150), rng.randrange(8 * MB - 150)
            title = b"@SIM:1:FCX:%d:%d:%d:%d 1:N:0:ATCACG\n" % (1 + number % 8, 1101 + number % 99, rng.randrange(32768), rng.randrange(32768))
            block.append(title + bases[a : a + 150] + b"\n+\n" + levels[b : b + 150] + b"\n")
        text = b"".join(block)
        done += len(text)
        yield text


def fasta(rng: random.Random, size: int) -> Iterable[bytes]:
    done = number = 0
    while done < size:
        number += 1
        length = rng.choice((300, 2000, 20_000, 400_000))
        sequence = _letters(rng, length, b"ACGTACGTACGTN")
        text = b">seq%d some description\n" % number + b"".join(sequence[i : i + 60] + b"\n" for i in range(0, length, 60))
        done += len(text)
        yield text


def csv(rng: random.Random, size: int) -> Iterable[bytes]:
    yield b"id,name,qty,price,day,comment\n"
    words = ["alpha", "beta", "gamma delta", "epsilon, zeta", 'the "eta"', "theta\niota", ""]
    rows: list[str] = []
    for _ in range(40_000):
        comment = rng.choices(words, weights=(30, 30, 20, 8, 4, 2, 6))[0]
        if any(c in comment for c in ',"\n'):
            comment = '"' + comment.replace('"', '""') + '"'
        rows.append(f"{rng.randrange(10**8)},name{rng.randrange(5000)},{rng.randrange(100)},{rng.random() * 1000:.2f},2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02},{comment}\n")
    done = 0
    while done < size:
        text = "".join(rng.sample(rows, 20_000)).encode()
        done += len(text)
        yield text


def vcf(rng: random.Random, size: int) -> Iterable[bytes]:
    samples = [f"S{i}" for i in range(40)]
    head = ["##fileformat=VCFv4.2", '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">', '##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">']
    head += ['##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">', '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">']
    head += [f"##contig=<ID=chr{i},length=250000000>" for i in range(1, 6)]
    head += ["\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *samples])]
    yield ("\n".join(head) + "\n").encode()
    calls = [f"{a}:{d}" for a in ("0/0", "0/0", "0/0", "0/1", "1/1", "./.") for d in range(5, 60, 3)]
    done, each = 0, size // 5
    for contig in range(1, 6):
        at, stop = 0, done + each
        while done < stop:
            lines = []
            for _ in range(500):
                at += rng.randrange(1, 300)
                lines.append("\t".join([f"chr{contig}", str(at), ".", rng.choice("ACGT"), rng.choice("ACGT"), str(rng.randrange(99)), "PASS",
                                        f"DP={rng.randrange(900)};AF={rng.random():.3f}", "GT:DP", *rng.choices(calls, k=40)]))
            text = ("\n".join(lines) + "\n").encode()
            done += len(text)
            yield text


def _bgzf(pieces: Iterable[bytes], level: int = 5) -> Iterable[bytes]:
    def block(data: bytes) -> bytes:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15)
        body = packer.compress(data) + packer.flush()
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
        return head + body + struct.pack("<II", zlib.crc32(data), len(data))

    rest = b""
    for piece in pieces:
        rest += piece
        while len(rest) >= 65280:
            yield block(rest[:65280])
            rest = rest[65280:]
    if rest:
        yield block(rest)
    yield bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def _gzip(pieces: Iterable[bytes], level: int = 6) -> Iterable[bytes]:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


FILES = {
    "reads.fastq": lambda r, s: fastq(r, int(200 * MB * s)),
    "reads.fastq.gz": lambda r, s: _gzip(fastq(r, int(200 * MB * s))),
    "genome.fa": lambda r, s: fasta(r, int(300 * MB * s)),
    "table.csv": lambda r, s: csv(r, int(200 * MB * s)),
    "calls.vcf.gz": lambda r, s: _bgzf(vcf(r, int(200 * MB * s))),
}


def make(folder: pathlib.Path, scale: float = 1.0) -> dict[str, int]:
    """Makes what is missing; the plain size of each file."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, int] = {}
    for name, pieces in FILES.items():
        path, note = folder / name, folder / f".{name}.json"
        if path.exists() and note.exists():
            known = json.loads(note.read_text())
            if known["seed"] == SEED and known["scale"] == scale:
                sizes[name] = known["plain"]
                continue
        rng, plain = random.Random(SEED), 0
        part = path.with_suffix(path.suffix + ".part")
        with part.open("wb") as out:
            for piece in pieces(rng, scale):
                out.write(piece)
        os.replace(part, path)
        if name.endswith(".gz"):
            import gzip

            with gzip.open(path) as file:
                while piece := file.read(1 << 20):
                    plain += len(piece)
        else:
            plain = path.stat().st_size
        note.write_text(json.dumps({"seed": SEED, "scale": scale, "plain": plain}))
        sizes[name] = plain
    return sizes


if __name__ == "__main__":
    print(json.dumps(make(pathlib.Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 1.0), indent=1))
