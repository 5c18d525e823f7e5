/* Three tiers instead of assert():
 *
 *   must(x)        holds always, also in release; if not, the process stops and says where
 *   must_debug(x)  holds too, but is checked in sanitizer and debug builds only (hot paths)
 *   MUST_USE       recoverable: the compiler makes the caller look at the result
 *
 * A peer's fault is never a must: it is an error reply. */
#pragma once

#define MUST_USE __attribute__((warn_unused_result))

#define must(x) ((x) ? (void)0 : must_fail(#x, __FILE__, __LINE__))

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define must_debug(x) must(x)
#else
#define must_debug(x) ((void)sizeof(x))
#endif

/*@ assigns \nothing;
  @ ensures \false; */
_Noreturn void must_fail(const char *what, const char *file, int line);
