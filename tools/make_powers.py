#!/usr/bin/env python3
"""Writes src/base/number_powers.c: 128-bit approximations of the powers of five that decimal numbers need.

    tools/make_powers.py > src/base/number_powers.c

5**q for q from -342 to 308, scaled to 128 bits with the highest bit set: rounded down for q >= 0, up for q < 0.
"""


def power(q):
    if q >= 0:
        value = 5**q
        shift = value.bit_length() - 128
        return value >> shift if shift > 0 else value << -shift
    divisor = 5**-q
    bits = (divisor - 1).bit_length()  # the least z with 2**z >= divisor
    value = 2 ** (bits + 127 if q >= -27 else 2 * bits + 128) // divisor + 1
    while value >= 1 << 128:
        value //= 2
    return value


print("""/* base/number_powers.c - powers of five, highest 64 bits first; written by tools/make_powers.py. Calls nothing. */
#include "base/number.h"

/* clang-format off */
const uint64_t mst_number_powers[MST_NUMBER_POWER_MAX - MST_NUMBER_POWER_MIN + 1][2] = {""")
row = []
for q in range(-342, 309):
    p = power(q)
    print("    {0x%016x, 0x%016x}," % (p >> 64, p & (1 << 64) - 1))
print("};")
