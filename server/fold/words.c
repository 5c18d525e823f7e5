#include "fold/words.h"

#include "fold/modulo.h"
#include "fold/sums.h"

/* x / 2^32 and what is left, which is not negative. */
/*@ assigns \nothing;
  @ ensures -0x80000000 <= \result <= 0x7fffffff;
  @ ensures 0 <= x - 0x100000000 * \result <= 0xffffffff; */
static int64_t upper_half(int64_t x)
{
    return x >= 0 ? x / 0x100000000 : -1 - (-1 - x) / 0x100000000;
}

/* word += the planes for its lower and upper half, and what is carried into it; returns what is
 * carried out. */
/*@ requires \valid(word);
  @ requires -plane_max <= low <= plane_max && -plane_max <= high <= plane_max;
  @ requires -0x80000000 <= carry <= 0x80000000;
  @ assigns *word;
  @ ensures -0x80000000 <= \result <= 0x80000000;
  @ ensures *word + 0x10000000000000000 * \result ==
  @     \old(*word) + low + 0x100000000 * high + carry; */
static int64_t add_to_word(uint64_t *word, int64_t low, int64_t high, int64_t carry)
{
    int64_t lower = low + carry;
    int64_t upper = high + upper_half(lower);
    uint64_t digit = (uint64_t)(lower - 0x100000000 * upper_half(lower)) +
                     0x100000000 * (uint64_t)(upper - 0x100000000 * upper_half(upper));
    uint64_t sum = *word + digit;
    *word = sum;
    return upper_half(upper) + (sum < digit);
}

void words_add_planes(uint64_t *words, const int64_t *planes)
{
    int64_t carry = add_to_word(&words[0], planes[0], planes[1], 0);
    carry = add_to_word(&words[1], planes[2], planes[3], carry);
    carry = add_to_word(&words[2], planes[4], planes[5], carry);
    carry = add_to_word(&words[3], planes[6], planes[7], carry);
    /*@ assert words[0] + 0x10000000000000000 * (words[1] + 0x10000000000000000 * (words[2] +
      @     0x10000000000000000 * (words[3] + 0x10000000000000000 * carry))) ==
      @     \at(value5(words), Pre) + planes_value(planes) -
      @     modulus5 / 0x10000000000000000 * words[4]; */
    words[4] += (uint64_t)carry;
    /*@ assert words[4] == \at(words[4], Pre) + carry ||
      @     words[4] == \at(words[4], Pre) + carry + 0x10000000000000000 ||
      @     words[4] == \at(words[4], Pre) + carry - 0x10000000000000000; */
}

uint64_t words_divide(uint64_t *words, unsigned n_words, uint64_t n)
{
    uint64_t rest = 0;
    /*@ loop invariant 0 <= i <= n_words && 0 <= rest < n;
      @ loop assigns i, rest, words[0 .. n_words - 1];
      @ loop variant i; */
    for (unsigned i = n_words; i > 0; i--) {
        uint64_t above = rest;
        uint64_t word = words[i - 1];
        uint64_t quotient = sum_divide(above, word, n, &rest);
        //@ assert quotient * n + rest == sum128(above, word);
        words[i - 1] = quotient;
    }
    return rest;
}
