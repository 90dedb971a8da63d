/* codec/crc.c - CRC-32 by libdeflate, and its arithmetic: a CRC is a remainder modulo a polynomial over GF(2), so that
 * putting n bytes behind A multiplies A's remainder by x^(8n). Owns nothing. Calls libdeflate only. */
#include "codec/crc.h"

#include <libdeflate.h>

#define POLYNOMIAL 0xedb88320u /* bit-reversed: the highest bit is x^0 */

/* x^(2^k) modulo the polynomial for k = 0..31. The order of x divides 2^32 - 1, so that k = 32 is k = 0 again. */
static const uint32_t x_to_2_to[32] = {
    0x40000000, 0x20000000, 0x08000000, 0x00800000, 0x00008000, 0xedb88320, 0xb1e6b092, 0xa06a2517,
    0xed627dae, 0x88d14467, 0xd7bbfe6a, 0xec447f11, 0x8e7ea170, 0x6427800e, 0x4d47bae0, 0x09fe548f,
    0x83852d0f, 0x30362f1a, 0x7b5a9cc3, 0x31fec169, 0x9fec022a, 0x6c8dedc4, 0x15d6874d, 0x5fde7a4e,
    0xbad90e37, 0x2e4e5eef, 0x4eaba214, 0xa8a472c0, 0x429a969e, 0x148d302a, 0xc40ba6d0, 0xc4e22c3c};

uint32_t mst_crc32(uint32_t crc, const void *data, size_t n) { return n == 0 ? crc : libdeflate_crc32(crc, data, n); }

static uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (unsigned i = 0; i < 32; i++) {
    product ^= b & (0u - (a >> 31));
    a <<= 1;
    b = (b >> 1) ^ (POLYNOMIAL & (0u - (b & 1)));
  }
  return product;
}

static uint32_t shift(uint32_t crc, uint64_t bytes) {
  for (unsigned k = 3; bytes != 0; bytes >>= 1, k++)
    if ((bytes & 1) != 0) crc = multiply(x_to_2_to[k & 31], crc);
  return crc;
}

uint32_t mst_crc32_combine(uint32_t a, uint32_t b, uint64_t b_size) { return shift(a, b_size) ^ b; }
uint32_t mst_crc32_tail(uint32_t whole, uint32_t a, uint64_t b_size) { return whole ^ shift(a, b_size); }
