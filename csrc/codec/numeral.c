/* numeral.c - see numeral.h.  Owns nothing.
 *
 * Digits of a double: Grisu2 (F.  Loitsch, Printing Floating-Point Numbers Quickly and
 * Accurately with Integers, 2010).  Numbers with a 64-bit significand stand for the
 * double and for the limits of the interval that is read as that double; multiplied by a
 * power of ten, its digits can be taken off one by one until they are within the
 * borders.
 * SPDX-License-Identifier: MIT */
#include "codec/numeral.h"

#include <assert.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing integers ---- */

static const char pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930"
    "31323334353637383940414243444546474849505152535455565758596061"
    "62636465666768697071727374757677787980818283848586878889909192"
    "93949596979899";

static unsigned write_unsigned(uint64_t n, char *out) {
  char digits[20];
  unsigned i = sizeof digits;
  for (; n >= 100; n /= 100) {
    i -= 2;
    memcpy(digits + i, pairs + n % 100 * 2, 2);
  }
  if (n >= 10) {
    i -= 2;
    memcpy(digits + i, pairs + n * 2, 2);
  } else {
    digits[--i] = (char)('0' + n);
  }
  memcpy(out, digits + i, sizeof digits - i);
  return (unsigned)sizeof digits - i;
}

unsigned lcp__numeral_integer(int64_t n, char *out) {
  if (n >= 0)
    return write_unsigned((uint64_t)n, out);
  *out = '-';
  return 1 + write_unsigned(0 - (uint64_t)n, out + 1);
}

/* ---- the digits of a double ---- */

struct wide { /* f * 2^e */
  uint64_t f;
  int e;
};

#define TEN_FIRST (-348)
#define TEN_STEP 8

/* The significands of 10^-348, 10^-340, ... 10^340. */
static const uint64_t tens[] = {
    0xFA8FD5A0081C0288, 0xBAAEE17FA23EBF76, 0x8B16FB203055AC76, 0xCF42894A5DCE35EA,
    0x9A6BB0AA55653B2D, 0xE61ACF033D1A45DF, 0xAB70FE17C79AC6CA, 0xFF77B1FCBEBCDC4F,
    0xBE5691EF416BD60C, 0x8DD01FAD907FFC3C, 0xD3515C2831559A83, 0x9D71AC8FADA6C9B5,
    0xEA9C227723EE8BCB, 0xAECC49914078536D, 0x823C12795DB6CE57, 0xC21094364DFB5637,
    0x9096EA6F3848984F, 0xD77485CB25823AC7, 0xA086CFCD97BF97F4, 0xEF340A98172AACE5,
    0xB23867FB2A35B28E, 0x84C8D4DFD2C63F3B, 0xC5DD44271AD3CDBA, 0x936B9FCEBB25C996,
    0xDBAC6C247D62A584, 0xA3AB66580D5FDAF6, 0xF3E2F893DEC3F126, 0xB5B5ADA8AAFF80B8,
    0x87625F056C7C4A8B, 0xC9BCFF6034C13053, 0x964E858C91BA2655, 0xDFF9772470297EBD,
    0xA6DFBD9FB8E5B88F, 0xF8A95FCF88747D94, 0xB94470938FA89BCF, 0x8A08F0F8BF0F156B,
    0xCDB02555653131B6, 0x993FE2C6D07B7FAC, 0xE45C10C42A2B3B06, 0xAA242499697392D3,
    0xFD87B5F28300CA0E, 0xBCE5086492111AEB, 0x8CBCCC096F5088CC, 0xD1B71758E219652C,
    0x9C40000000000000, 0xE8D4A51000000000, 0xAD78EBC5AC620000, 0x813F3978F8940984,
    0xC097CE7BC90715B3, 0x8F7E32CE7BEA5C70, 0xD5D238A4ABE98068, 0x9F4F2726179A2245,
    0xED63A231D4C4FB27, 0xB0DE65388CC8ADA8, 0x83C7088E1AAB65DB, 0xC45D1DF942711D9A,
    0x924D692CA61BE758, 0xDA01EE641A708DEA, 0xA26DA3999AEF774A, 0xF209787BB47D6B85,
    0xB454E4A179DD1877, 0x865B86925B9BC5C2, 0xC83553C5C8965D3D, 0x952AB45CFA97A0B3,
    0xDE469FBD99A05FE3, 0xA59BC234DB398C25, 0xF6C69A72A3989F5C, 0xB7DCBF5354E9BECE,
    0x88FCF317F22241E2, 0xCC20CE9BD35C78A5, 0x98165AF37B2153DF, 0xE2A0B5DC971F303A,
    0xA8D9D1535CE3B396, 0xFB9B7CD9A4A7443C, 0xBB764C4CA7A44410, 0x8BAB8EEFB6409C1A,
    0xD01FEF10A657842C, 0x9B10A4E5E9913129, 0xE7109BFBA19C0C9D, 0xAC2820D9623BF429,
    0x80444B5E7AA7CF85, 0xBF21E44003ACDD2D, 0x8E679C2F5E44FF8F, 0xD433179D9C8CB841,
    0x9E19DB92B4E31BA9, 0xEB96BF6EBADF77D9, 0xAF87023B9BF0EE6B,
};

/* The exponent that belongs to the significand of 10^k: floor(k * log2(10)) - 63. */
static int ten_exponent(int k) { return (k * 217706 >> 16) - 63; }

/* The product's upper half, rounded: off by less than one unit. */
static struct wide wide_multiply(struct wide a, struct wide b) {
  uint64_t a1 = a.f >> 32, a0 = a.f & 0xFFFFFFFF, b1 = b.f >> 32, b0 = b.f & 0xFFFFFFFF;
  uint64_t high = a1 * b1, one = a1 * b0, two = a0 * b1, low = a0 * b0;
  uint64_t middle = (low >> 32) + (one & 0xFFFFFFFF) + (two & 0xFFFFFFFF);
  middle += UINT64_C(1) << 31;
  struct wide product = {high + (one >> 32) + (two >> 32) + (middle >> 32),
                         a.e + b.e + 64};
  return product;
}

static struct wide wide_normal(struct wide w) {
  while (!(w.f >> 63)) {
    w.f <<= 1;
    w.e--;
  }
  return w;
}

/* A positive double, and half way to its neighbours; all with the same exponent. */
static struct wide wide_of(double x, struct wide *below, struct wide *above) {
  const uint64_t hidden = UINT64_C(1) << 52;
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int biased = (int)(bits >> 52);
  struct wide w = {bits & (hidden - 1), biased > 0 ? biased - 1075 : -1074};
  if (biased > 0)
    w.f |= hidden;
  struct wide up = {2 * w.f + 1, w.e - 1}, down = {2 * w.f - 1, w.e - 1};
  if (w.f == hidden && biased > 1) {
    down.f = 4 * w.f - 1;
    down.e = w.e - 2;
  }
  *above = wide_normal(up);
  below->f = down.f << (down.e - above->e);
  below->e = above->e;
  return wide_normal(w);
}

/* The power 10^k that brings an exponent of e into -60 ... -32. */
static struct wide ten_for(int e, int *k) {
  int index = (int)((-61 - e) * 0.30102999566398114 - TEN_FIRST) / TEN_STEP;
  while (e + ten_exponent(TEN_FIRST + index * TEN_STEP) + 64 < -60)
    index++;
  assert(index >= 0 && index < (int)(sizeof tens / sizeof *tens));
  *k = TEN_FIRST + index * TEN_STEP;
  struct wide ten = {tens[index], ten_exponent(*k)};
  return ten;
}

/* The number whose digits are being taken; gap and span in units of the products. */
struct taking {
  char *digits;
  int count;
  int exponent;  /* of the last digit */
  uint64_t gap;  /* from the upper border down to the double itself */
  uint64_t span; /* from the upper border down to the lower one */
};

/* Moves the last digit down while that is nearer to the double and within the borders. */
static void take_nearest(struct taking *t, uint64_t rest, uint64_t unit) {
  while (rest < t->gap && t->span - rest >= unit &&
         (rest + unit < t->gap || t->gap - rest > rest + unit - t->gap)) {
    t->digits[t->count - 1]--;
    rest += unit;
  }
}

static void take_digit(struct taking *t, unsigned digit) {
  if (digit > 0 || t->count > 0)
    t->digits[t->count++] = (char)('0' + digit);
}

/* The digits after the point: `part` of one, which is 2^shift. */
static void take_fraction(struct taking *t, uint64_t part, int shift) {
  const uint64_t one = UINT64_C(1) << shift;
  while (part >= t->span) {
    part *= 10;
    t->span *= 10;
    t->gap *= 10;
    take_digit(t, (unsigned)(part >> shift));
    part &= one - 1;
    t->exponent--;
  }
  take_nearest(t, part, one);
}

/* `above` is at least 2^63 and its exponent -60 ... -32: the digits in front of the point
 * have 32 bits. */
static void take(struct taking *t, struct wide above) {
  int shift = -above.e;
  uint64_t part = above.f & ((UINT64_C(1) << shift) - 1);
  uint32_t whole = (uint32_t)(above.f >> shift), power = 1;
  int places = 1;
  for (; whole / power >= 10; places++)
    power *= 10;
  for (; places > 0; power /= 10) {
    take_digit(t, whole / power);
    whole %= power;
    places--;
    uint64_t rest = ((uint64_t)whole << shift) + part;
    if (rest <= t->span) {
      t->exponent += places;
      take_nearest(t, rest, (uint64_t)power << shift);
      return;
    }
  }
  take_fraction(t, part, shift);
}

/* x > 0 is `digits` * 10^exponent. */
static int double_digits(double x, char *digits, int *exponent) {
  struct wide below, above, middle = wide_of(x, &below, &above);
  int k;
  struct wide ten = ten_for(above.e, &k);
  middle = wide_multiply(middle, ten);
  below = wide_multiply(below, ten);
  above = wide_multiply(above, ten);
  /* one unit of safety on each side for what the multiplication may be off */
  above.f--;
  struct taking t = {digits, 0, -k, above.f - middle.f, above.f - below.f - 1};
  take(&t, above);
  *exponent = t.exponent;
  return t.count;
}

/* ---- writing doubles ---- */

static char *write_zeros(char *out, int n) {
  memset(out, '0', (size_t)n);
  return out + n;
}

static char *write_digits(char *out, const char *digits, int n) {
  memcpy(out, digits, (size_t)n);
  return out + n;
}

/* As JavaScript does: `point` digits stand in front of the point, if that is possible
 * without many zeros. */
static char *write_plain(char *out, const char *digits, int count, int point) {
  if (point >= count)
    return write_zeros(write_digits(out, digits, count), point - count);
  if (point > 0) {
    out = write_digits(out, digits, point);
    *out++ = '.';
    return write_digits(out, digits + point, count - point);
  }
  out = write_digits(out, "0.", 2);
  return write_digits(write_zeros(out, -point), digits, count);
}

static char *write_scientific(char *out, const char *digits, int count, int exponent) {
  *out++ = *digits;
  if (count > 1) {
    *out++ = '.';
    out = write_digits(out, digits + 1, count - 1);
  }
  *out++ = 'e';
  *out++ = exponent < 0 ? '-' : '+';
  return out + write_unsigned((uint64_t)abs(exponent), out);
}

/* -0.0 is not an integer: it would lose its sign. */
static int is_integer(double x) {
  return x >= -0x1p63 && x < 0x1p63 && x == (double)(int64_t)x && (x != 0 || 1 / x > 0);
}

unsigned lcp__numeral_double(double x, char *out) {
  char digits[20], *start = out;
  int exponent;
  if (is_integer(x))
    return lcp__numeral_integer((int64_t)x, out);
  /* not "-0", which some readers take for the integer 0 */
  if (x == 0)
    return (unsigned)(write_digits(out, "-0.0", 4) - start);
  if (x < 0) {
    *out++ = '-';
    x = -x;
  }
  int count = double_digits(x, digits, &exponent), point = count + exponent;
  out = point > -6 && point <= 21 ? write_plain(out, digits, count, point)
                                  : write_scientific(out, digits, count, point - 1);
  return (unsigned)(out - start);
}

/* ---- reading ---- */

struct reading {
  const char *digits; /* the first that counts; a point may be between them */
  const char *end;    /* behind the last one */
  int64_t exponent;   /* of the last one */
  uint64_t value;     /* of the first 19 */
  int64_t count;
  int negative, fraction;
};

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* Leading zeros do not count. */
static const char *read_digits(struct reading *r, const char *p) {
  for (; is_digit(*p); p++) {
    if (r->count == 0) {
      if (*p == '0')
        continue;
      r->digits = p;
    }
    if (r->count++ < 19)
      r->value = r->value * 10 + (uint64_t)(*p - '0');
  }
  return r->end = p;
}

/* NULL for a malformed exponent; *bad is then the first wrong byte. */
static const char *read_exponent(struct reading *r, const char *p, const char **bad) {
  int negative = *p == '-';
  int64_t exponent = 0;
  if (*p == '-' || *p == '+')
    p++;
  *bad = p;
  if (!is_digit(*p))
    return NULL;
  for (; is_digit(*p); p++) {
    if (exponent < INT64_C(1) << 50)
      exponent = exponent * 10 + (*p - '0');
  }
  r->exponent += negative ? -exponent : exponent;
  return p;
}

/* As read_exponent, for all of a number. */
static const char *read_parts(struct reading *r, const char *p, const char **bad) {
  if (*p == '-') {
    r->negative = 1;
    p++;
  }
  *bad = p;
  if (!is_digit(*p))
    return NULL;
  p = *p == '0' ? p + 1 : read_digits(r, p);
  if (*p == '.') {
    const char *first = ++p;
    *bad = p;
    if (!is_digit(*p))
      return NULL;
    p = read_digits(r, p);
    r->exponent = -(p - first);
    r->fraction = 1;
  }
  if (*p == 'e' || *p == 'E') {
    r->fraction = 1;
    return read_exponent(r, p + 1, bad);
  }
  return p;
}

/* Every digit that can matter, without a point, for which strtod would ask the locale: a
 * value half way between two doubles has at most 767 digits, so after the 800th it only
 * matters whether there are any. */
static double read_slowly(const struct reading *r) {
  char text[800 + 32];
  unsigned n = 0;
  int64_t exponent = r->exponent, dropped = 0;
  int more = 0;
  for (const char *p = r->digits; p < r->end; p++) {
    if (!is_digit(*p))
      continue;
    if (n < 800) {
      text[n++] = *p;
    } else {
      dropped++;
      more |= *p != '0';
    }
  }
  exponent += dropped;
  if (more) {
    text[n++] = '1';
    exponent--;
  }
  exponent = exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : exponent;
  text[n++] = 'e';
  n += lcp__numeral_integer(exponent, text + n);
  text[n] = '\0';
  return strtod(text, NULL);
}

/* A quotient or product of two numbers that are exact is rounded right. */
static double read_double(const struct reading *r) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (r->count == 0)
    return 0;
  if (FLT_EVAL_METHOD == 0 && r->count <= 19 && r->value <= UINT64_C(1) << 53) {
    if (r->exponent <= 0 && r->exponent >= -22)
      return (double)r->value / powers[-r->exponent];
    if (r->exponent > 0 && r->exponent <= 22)
      return (double)r->value * powers[r->exponent];
  }
  return read_slowly(r);
}

enum lcp__numeral lcp__numeral_read(const char **at, const char *end, int64_t *n,
                                    double *x) {
  struct reading r = {0};
  const char *bad, *p = read_parts(&r, *at, &bad);
  assert(p == NULL || p <= end);
  (void)end;
  *at = p == NULL ? bad : p;
  if (p == NULL)
    return LCP__NUMERAL_BAD;
  uint64_t most = (uint64_t)INT64_MAX + (r.negative ? 1 : 0);
  if (!r.fraction && r.count <= 19 && r.value <= most && (r.value > 0 || !r.negative)) {
    *n = r.negative ? (int64_t)(0 - r.value) : (int64_t)r.value;
    return LCP__NUMERAL_INTEGER;
  }
  *x = r.negative ? -read_double(&r) : read_double(&r);
  /* an integer with too many digits stays a double, even if it is rounded into the range
   */
  if (!r.fraction || !is_integer(*x))
    return LCP__NUMERAL_DOUBLE;
  *n = (int64_t)*x;
  return LCP__NUMERAL_INTEGER;
}
