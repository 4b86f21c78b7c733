// Stacks for CUDA threads that wait, and the switch between them.
//
// x86-64 has an assembly switch (7 to 10 ns); -DCUSIM_UCONTEXT, and every other processor, uses ucontext
// (about 350 ns, for it saves the signal mask by a system call).
#pragma once
#include <stddef.h>
#if defined(__x86_64__) && !defined(CUSIM_UCONTEXT)
#define CUSIM_ASSEMBLY 1
#else
#define CUSIM_ASSEMBLY 0
#include <ucontext.h>
#endif

namespace cusim {

struct fiber {
#if CUSIM_ASSEMBLY
  void *sp; // where it stopped
#else
  ucontext_t context;
#endif
  char *low; // the stack: [low, low + size), with a page before it that traps
  size_t size;
  fiber *next_free, *next_all;
  void *asan_fake; // AddressSanitizer's fake stack while this one sleeps
};

fiber *fiber_get();         // from this OS thread's free list, which grows by 64
void fiber_put(fiber *f);   // gives it back; the next new thread runs on it
void fiber_reset(fiber *f); // back to its beginning
void fiber_switch(fiber *from, fiber *to);
[[noreturn]] void fiber_leave(fiber *to); // never comes back
void fiber_main();                        // block.cpp: the bottom frame of every fiber

// AddressSanitizer must be told of every change of stacks.
#if defined(__SANITIZE_ADDRESS__)
void fiber_announce(fiber *from, fiber *to); // from: null if it never comes back
void fiber_arrived(fiber *me,
                   fiber *home); // me: the one that goes on; home: learns its bounds the first time
#else
inline void fiber_announce(fiber *, fiber *) {}
inline void fiber_arrived(fiber *, fiber *) {}
#endif

} // namespace cusim
