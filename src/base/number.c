/* base/number.c - text to numbers. Up to 19 digits of a decimal are kept in a word and multiplied by a 128-bit power of
 * five (Lemire, "Number parsing at a gigabyte per second", 2021; Mushtak and Lemire, 2023, show that this always rounds
 * right); of more digits the rest decides only where the two neighbours of the word round differently, by exact big
 * integers.
 *
 * Owns: nothing. Calls libc only. */
#include "base/number.h"

#include <string.h>

/* ---- integers ------------------------------------------------------------------------------------------------- */

static inline bool is_digit(char c) { return (unsigned char)(c - '0') <= 9; }

static inline bool eight_digits(const char *p, uint64_t *value) { return mst_number_eight(mst_le64(p), value); }

bool mst_number_u64(const char *text, size_t n, uint64_t *out) {
  uint64_t v = 0, eight;
  size_t i = 0;
  if (n == 0) return false;
  for (; n - i >= 8 && i < 16 && eight_digits(text + i, &eight); i += 8) v = v * 100000000 + eight;
  for (; i < n; i++) {
    const uint64_t digit = (uint64_t)(unsigned char)(text[i] - '0');
    if (digit > 9 || !mst_mul_u64(v, 10, &v) || !mst_add_u64(v, digit, &v)) return false;
  }
  *out = v;
  return true;
}

bool mst_number_i64(const char *text, size_t n, int64_t *out) {
  const bool sign = n > 0 && (text[0] == '-' || text[0] == '+'), negative = sign && text[0] == '-';
  uint64_t v;
  if (!mst_number_u64(text + sign, n - sign, &v) || v > (uint64_t)INT64_MAX + (negative ? 1 : 0)) return false;
  *out = negative ? (int64_t)(0 - v) : (int64_t)v;
  return true;
}

/* ---- decimals ------------------------------------------------------------------------------------------------- */

/* A decimal taken apart: word * 10**exponent, or a little more when digits were cut off. */
typedef struct decimal {
  uint64_t word; /* the first 19 significant digits                       */
  int64_t exponent;
  bool negative, cut; /* `cut`: further digits, not all zero                   */
  const char *digits; /* from the first significant digit on, a point among them */
  size_t n_digits;    /* bytes of `digits`                                     */
} decimal;

/* Digits from `i` on; the first 19 significant ones go into the word. Returns the index behind the last. */
static size_t take_digits(decimal *d, const char *text, size_t n, size_t i, bool fraction, unsigned *kept) {
  uint64_t eight;
  for (; n - i >= 8 && *kept > 0 && *kept <= 11 && eight_digits(text + i, &eight); i += 8) {
    d->word = d->word * 100000000 + eight;
    *kept += 8;
    if (fraction) d->exponent -= 8;
  }
  for (; i < n && is_digit(text[i]); i++) {
    if (*kept == 0 && text[i] != '0') d->digits = text + i;
    if (*kept < 19) {
      d->word = d->word * 10 + (uint64_t)(text[i] - '0');
      if (d->word != 0) ++*kept;
      if (fraction) d->exponent--;
    } else {
      d->cut |= text[i] != '0';
      if (!fraction) d->exponent++;
    }
  }
  return i;
}

static bool take_exponent(decimal *d, const char *text, size_t n, size_t i) {
  int64_t value = 0;
  bool negative = false;
  if (i < n && (text[i] == '+' || text[i] == '-')) negative = text[i++] == '-';
  if (i == n) return false;
  for (; i < n; i++) {
    if (!is_digit(text[i])) return false;
    if (value < 1000000) value = value * 10 + (text[i] - '0');
  }
  d->exponent += negative ? -value : value;
  return true;
}

static bool take_apart(const char *text, size_t n, decimal *d) {
  unsigned kept = 0;
  size_t i = 0, begin, behind;
  *d = (decimal){0};
  if (n > 0 && (text[0] == '-' || text[0] == '+')) d->negative = text[i++] == '-';
  begin = i;
  i = take_digits(d, text, n, i, false, &kept);
  if (i < n && text[i] == '.') {
    const size_t point = i;
    i = take_digits(d, text, n, i + 1, true, &kept);
    if (i == point + 1 && point == begin) return false; /* a lone point */
  } else if (i == begin) {
    return false;
  }
  behind = i;
  if (d->digits != NULL) d->n_digits = (size_t)(text + behind - d->digits);
  if (i == n) return true;
  return (text[i] == 'e' || text[i] == 'E') && take_exponent(d, text, n, i + 1);
}

static double from_bits(uint64_t bits) {
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

#define MANTISSA_BITS 52
#define INFINITE      (UINT64_C(0x7ff) << MANTISSA_BITS)

/* The highest 128 bits of word * 5**q, to the bit where that matters. */
static void product128(uint64_t word, int64_t q, uint64_t *high, uint64_t *low) {
  const uint64_t *power = mst_number_powers[q - MST_NUMBER_POWER_MIN];
  const unsigned __int128 first = (unsigned __int128)word * power[0];
  *high = (uint64_t)(first >> 64);
  *low = (uint64_t)first;
  if ((*high & 0x1ff) == 0x1ff) { /* a carry from below could change the mantissa */
    const uint64_t second = (uint64_t)((unsigned __int128)word * power[1] >> 64);
    *low += second;
    if (*low < second) ++*high;
  }
}

/* The bits of word * 10**q, rounded; word is not 0. */
static uint64_t round_word(uint64_t word, int64_t q) {
  uint64_t high, low, mantissa;
  int64_t exponent;
  unsigned zeros, top, shift;
  if (q < MST_NUMBER_POWER_MIN) return 0;
  if (q > MST_NUMBER_POWER_MAX) return INFINITE;
  zeros = (unsigned)__builtin_clzll(word);
  product128(word << zeros, q, &high, &low);
  top = (unsigned)(high >> 63);
  shift = top + 64 - MANTISSA_BITS - 3;
  mantissa = high >> shift; /* 54 bits: one more than needed, to round by */
  exponent = ((217706 * q) >> 16) + 63 + (int64_t)top - (int64_t)zeros + 1023;
  if (exponent <= 0) { /* subnormal */
    if (1 - exponent >= 64) return 0;
    mantissa >>= 1 - exponent;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    return mantissa; /* a carry into bit 52 is the least normal number, as it should be */
  }
  /* Exactly between two doubles: only possible for small powers, where the product is exact. */
  if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high) mantissa &= ~UINT64_C(1);
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  if (mantissa >= UINT64_C(2) << MANTISSA_BITS) {
    mantissa = UINT64_C(1) << MANTISSA_BITS;
    exponent++;
  }
  if (exponent >= 0x7ff) return INFINITE;
  return (mantissa & ~(UINT64_C(1) << MANTISSA_BITS)) | (uint64_t)exponent << MANTISSA_BITS;
}

/* ---- more than 19 digits -------------------------------------------------------------------------------------- */

/* Beyond this many digits no double and no middle between two has any; what follows only tells "more". */
#define DIGITS_MAX 770
/* Room for DIGITS_MAX digits times 2**1075, and for 54 bits times 5**1112. */
#define BIG_WORDS 60

typedef struct big {
  uint64_t words[BIG_WORDS];
  size_t n;
} big;

static void big_multiply(big *b, uint64_t factor, uint64_t add) {
  unsigned __int128 carry = add;
  for (size_t i = 0; i < b->n; i++) {
    carry += (unsigned __int128)b->words[i] * factor;
    b->words[i] = (uint64_t)carry;
    carry >>= 64;
  }
  if (carry != 0 && b->n < BIG_WORDS) b->words[b->n++] = (uint64_t)carry;
}

static void big_power5(big *b, int64_t power) {
  for (; power >= 27; power -= 27) big_multiply(b, UINT64_C(7450580596923828125), 0); /* 5**27 */
  for (; power > 0; power--) big_multiply(b, 5, 0);
}

static void big_shift(big *b, int64_t bits) {
  const size_t words = (size_t)bits / 64;
  if (words > 0 && b->n > 0 && b->n + words <= BIG_WORDS) {
    memmove(b->words + words, b->words, b->n * sizeof b->words[0]);
    memset(b->words, 0, words * sizeof b->words[0]);
    b->n += words;
  }
  if (bits % 64 > 0) big_multiply(b, UINT64_C(1) << bits % 64, 0);
}

static int big_compare(const big *a, const big *b) {
  if (a->n != b->n) return a->n > b->n ? 1 : -1;
  for (size_t i = a->n; i-- > 0;)
    if (a->words[i] != b->words[i]) return a->words[i] > b->words[i] ? 1 : -1;
  return 0;
}

/* All digits of `d` as an integer; returns its power of ten. */
static int64_t big_digits(const decimal *d, big *out) {
  int64_t exponent = d->exponent;
  unsigned taken = 0;
  bool more = false;
  out->n = 0;
  for (size_t i = 0; i < d->n_digits; i++) {
    const char c = d->digits[i];
    if (c == '.') continue;
    if (taken++ < DIGITS_MAX) big_multiply(out, 10, (uint64_t)(c - '0'));
    else more |= c != '0';
  }
  exponent -= (int64_t)(taken < DIGITS_MAX ? taken : DIGITS_MAX) - 19; /* d->exponent is that of the 19th digit */
  if (more) {
    big_multiply(out, 10, 1);
    exponent--;
  }
  return exponent;
}

/* `bits` or the double above it, whichever is nearer to all of `d`. */
static uint64_t round_big(const decimal *d, uint64_t bits) {
  const uint64_t fraction = bits & ((UINT64_C(1) << MANTISSA_BITS) - 1), biased = bits >> MANTISSA_BITS;
  const uint64_t mantissa = biased > 0 ? fraction | UINT64_C(1) << MANTISSA_BITS : fraction;
  int64_t middle2 = (biased > 0 ? (int64_t)biased : 1) - 1076; /* the middle above is (2 * mantissa + 1) * 2**middle2 */
  big left, right = {.words = {2 * mantissa + 1}, .n = 1};
  const int64_t power = big_digits(d, &left);
  int order;
  if (power >= 0) big_power5(&left, power);
  else big_power5(&right, -power);
  middle2 -= power;
  if (middle2 >= 0) big_shift(&right, middle2);
  else big_shift(&left, -middle2);
  order = big_compare(&left, &right);
  return bits + (order > 0 || (order == 0 && (bits & 1) != 0) ? 1 : 0);
}

/* ---- doubles -------------------------------------------------------------------------------------------------- */

static bool named(const char *text, size_t n, double *out) {
  const bool sign = n > 0 && (text[0] == '-' || text[0] == '+');
  const char *const names[] = {"inf", "infinity", "nan"};
  for (size_t i = 0; i < 3; i++) {
    size_t k = 0;
    if (strlen(names[i]) != n - sign) continue;
    while (k < n - sign && (text[k + sign] | 0x20) == names[i][k]) k++;
    if (k < n - sign) continue;
    *out = from_bits((i < 2 ? INFINITE : INFINITE | UINT64_C(1) << (MANTISSA_BITS - 1)) |
                     (uint64_t)(sign && text[0] == '-') << 63);
    return true;
  }
  return false;
}

/* The digits and the point of most numbers: up to 19 digits, no exponent. */
static inline bool take_simple(const char *text, size_t n, decimal *d) {
  const char *p = text, *const end = text + n, *point;
  uint64_t word = 0, eight;
  d->negative = n > 0 && *p == '-';
  p += d->negative;
  if (end - p > 20 || end == p) return false;
  while (end - p >= 8 && eight_digits(p, &eight)) word = word * 100000000 + eight, p += 8;
  while (p < end && is_digit(*p)) word = word * 10 + (uint64_t)(*p++ - '0');
  d->exponent = 0;
  if (p < end && *p == '.' && end - text > 1 + d->negative) {
    point = p++;
    while (end - p >= 8 && eight_digits(p, &eight)) word = word * 100000000 + eight, p += 8;
    while (p < end && is_digit(*p)) word = word * 10 + (uint64_t)(*p++ - '0');
    d->exponent = point + 1 - p;
  } else if (end - text - d->negative > 19) {
    return false;
  }
  d->word = word;
  d->cut = false;
  return p == end;
}

bool mst_number_f64(const char *text, size_t n, double *out) {
  static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  decimal d;
  uint64_t bits;
  if (!take_simple(text, n, &d) && !take_apart(text, n, &d)) return named(text, n, out);
  if (!d.cut && d.exponent >= -22 && d.exponent <= 22 &&
      d.word <= UINT64_C(1) << 53) { /* both exact, so one rounding */
    const double word = (double)d.word, v = d.exponent < 0 ? word / tens[-d.exponent] : word * tens[d.exponent];
    *out = d.negative ? -v : v;
    return true;
  }
  bits = d.word == 0 ? 0 : round_word(d.word, d.exponent);
  if (d.cut && bits != round_word(d.word + 1, d.exponent)) bits = round_big(&d, bits);
  *out = from_bits(bits | (uint64_t)d.negative << 63);
  return true;
}
