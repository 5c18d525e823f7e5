/* Integers of many words, least significant first, in two's complement: the arithmetic of tier 2
 * that is proved. */
#pragma once

#include <stdint.h>

enum {
    PLANE_WORDS = 5,  /* of an element that is summed in planes */
    PLANE_DIGITS = 8, /* planes of an element */
};

/*@ logic integer value5{L}(uint64_t *w) = w[0] + 0x10000000000000000 * (w[1] +
  @     0x10000000000000000 * (w[2] + 0x10000000000000000 * (w[3] + 0x10000000000000000 * w[4])));
  @ logic integer planes_value{L}(int64_t *p) = p[0] + 0x100000000 * (p[1] + 0x100000000 * (p[2] +
  @     0x100000000 * (p[3] + 0x100000000 * (p[4] + 0x100000000 * (p[5] + 0x100000000 * (p[6] +
  @     0x100000000 * p[7]))))));
  @ logic integer modulus5 = 0x10000000000000000 * 0x10000000000000000 * 0x10000000000000000 *
  @     0x10000000000000000 * 0x10000000000000000;
  @ // 256 contributions of 24 bits, shifted by up to 31
  @ logic integer plane_max = 256 * 0xffffff * 0x80000000; */

/* words += the planes, each of which is for 32 binades, modulo 2^320. */
/*@ requires \valid(words + (0 .. PLANE_WORDS - 1));
  @ requires \valid_read(planes + (0 .. PLANE_DIGITS - 1));
  @ requires \forall integer p; 0 <= p < PLANE_DIGITS ==> -plane_max <= planes[p] <= plane_max;
  @ assigns words[0 .. PLANE_WORDS - 1];
  @ ensures value5(words) == \old(value5(words)) + planes_value(planes) ||
  @     value5(words) == \old(value5(words)) + planes_value(planes) + modulus5 ||
  @     value5(words) == \old(value5(words)) + planes_value(planes) - modulus5; */
void words_add_planes(uint64_t *words, const int64_t *planes);

/* words /= n; returns the remainder. 1 <= n <= UINT32_MAX. Proved are bounds, and each step of the
 * long division by itself; the quotient as a whole is left to the tests (tests/proof/README.md). */
/*@ requires 1 <= n <= 0xffffffff && \valid(words + (0 .. n_words - 1)) && n_words > 0;
  @ assigns words[0 .. n_words - 1];
  @ ensures 0 <= \result < n; */
uint64_t words_divide(uint64_t *words, unsigned n_words, uint64_t n);
