"""Writes a seeded FASTQ.gz of some 100 MB (compressed) with reads, qualities and titles like those of a sequencer."""

import random
import sys
import zlib

TARGET = 100_000_000
LENGTH = 150
BLOCK = 400  # reads a block; blocks are mixed anew, so that the text does not repeat within the window


def main() -> None:
    path = sys.argv[1]
    target = int(sys.argv[2]) if len(sys.argv) > 2 else TARGET
    rng = random.Random(20260101)
    bases = bytes(rng.choices(b"ACGT", k=4_000_000))
    levels = bytes(rng.choices(b"FFFFFFFF:::,,#", k=4_000_000))
    packer = zlib.compressobj(4, zlib.DEFLATED, 31)
    written, number = 0, 0
    with open(path, "wb") as out:
        while written < target:
            block = []
            for _ in range(BLOCK):
                number += 1
                at, quality = rng.randrange(len(bases) - LENGTH), rng.randrange(len(levels) - LENGTH)
                title = b"@SIM:1:FCX:%d:%d:%d:%d 1:N:0:ATCACG\n" % (1 + number % 8, 1101 + number % 99, rng.randrange(32768), rng.randrange(32768))
                block.append(title + bases[at : at + LENGTH] + b"\n+\n" + levels[quality : quality + LENGTH] + b"\n")
            written += out.write(packer.compress(b"".join(block)))
        out.write(packer.flush())


if __name__ == "__main__":
    main()
