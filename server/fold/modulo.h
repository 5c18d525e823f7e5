/* C's arithmetic modulo 2^64, said for the prover: Frama-C's WP knows a conversion to uint64_t only
 * where it changes nothing. These axioms are the C standard's words (6.2.5p9, 6.3.1.3p2), for the
 * sums and differences of two words. No code. */
#pragma once

#include <stdint.h>

/*@ axiomatic Modulo {
  @     axiom one_over: \forall integer a; 0x10000000000000000 <= a < 0x20000000000000000 ==>
  @         (uint64_t)a == a - 0x10000000000000000;
  @     axiom one_under: \forall integer a; -0x10000000000000000 <= a < 0 ==>
  @         (uint64_t)a == a + 0x10000000000000000;
  @ } */
