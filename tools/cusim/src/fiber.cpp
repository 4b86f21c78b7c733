// Stacks and the switch between them. See fiber.h.
#include "cusim.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#if CUSIM_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#if CUSIM_ASSEMBLY
// cusim_switch(void **save_sp, void *new_sp): saves the callee-saved registers and changes stacks.
// cusim_call(request *): a CUDA thread meets a barrier or a collective. cusim_arrive(request, sp) answers with the
// stack pointer to go on with, which is its own when nobody is waited for.
// Both leave by an indirect jump rather than `ret`: a `ret` on another stack always mispredicts.
asm(R"(
    .text
    .globl cusim_switch
    .hidden cusim_switch
    .type cusim_switch, @function
cusim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmp *%rcx
    .size cusim_switch, .-cusim_switch

    .globl cusim_call
    .hidden cusim_call
    .type cusim_call, @function
cusim_call:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rsi
    subq $8, %rsp
    call cusim_arrive
    movq %rax, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popq %rcx
    jmp *%rcx
    .size cusim_call, .-cusim_call
    .section .note.GNU-stack,"",@progbits
    .text
)");
extern "C" void cusim_switch(void **save_sp, void *new_sp);
#endif

namespace cusim {

void fiber_reset(fiber *f) {
#if CUSIM_ASAN
  __asan_unpoison_memory_region(f->low, f->size);
#endif
  // Stack tops are staggered by odd multiples of 64 bytes; without that the same frame of every fiber falls
  // into the same set of the first-level cache.
  uintptr_t top = reinterpret_cast<uintptr_t>(f->low + f->size) - 64;
  top -= reinterpret_cast<uintptr_t>(f) / sizeof(fiber) * 5 % 63 * 64;
  top &= ~static_cast<uintptr_t>(63);
#if CUSIM_ASSEMBLY
  void **p = reinterpret_cast<void **>(top);
  *--p = nullptr; // fiber_main's return address: it never returns, and finds rsp % 16 == 8 as after a call
  *--p = reinterpret_cast<void *>(&fiber_main);
  for (int i = 0; i < 6; i++) *--p = nullptr; // the saved registers
  f->sp = p;
#else
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->low;
  f->context.uc_stack.ss_size = static_cast<size_t>(top - reinterpret_cast<uintptr_t>(f->low));
  f->context.uc_link = nullptr;
  makecontext(&f->context, fiber_main, 0);
#endif
}

void fiber_put(fiber *f) {
  f->next_free = S->free;
  S->free = f;
}

fiber *fiber_get() {
  if (!S->free) {
    constexpr int CHUNK = 64;
    const size_t size = config().stack_bytes, pitch = size + PAGE;
    void *m = mmap(nullptr, CHUNK * pitch, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) {
      perror("cusim: no memory for the stacks of CUDA threads");
      abort();
    }
    fiber *chunk = new fiber[CHUNK]();
    for (int i = CHUNK - 1; i >= 0; i--) {
      fiber *f = &chunk[i];
      char *guard = static_cast<char *>(m) + static_cast<size_t>(i) * pitch;
      mprotect(guard, PAGE, PROT_NONE);
      f->low = guard + PAGE;
      f->size = size;
      fiber_reset(f);
      f->next_all = S->all;
      S->all = f;
      fiber_put(f);
    }
  }
  fiber *f = S->free;
  S->free = f->next_free;
  return f;
}

#if CUSIM_ASAN
static bool announced;
void fiber_announce(fiber *from, fiber *to) {
  __sanitizer_start_switch_fiber(from ? &from->asan_fake : nullptr, to->low, to->size);
  announced = true;
}
void fiber_arrived(fiber *me, fiber *home) {
  if (!announced) return;
  announced = false;
  const void *low;
  size_t size;
  __sanitizer_finish_switch_fiber(me ? me->asan_fake : nullptr, &low, &size);
  if (home && !home->low) {
    home->low = static_cast<char *>(const_cast<void *>(low));
    home->size = size;
  }
}
void call(request *r) {
  cusim_call(r);
  fiber_arrived(t_current->fiber, nullptr);
}
#endif

void fiber_switch(fiber *from, fiber *to) {
  S->switches++;
  fiber_announce(from, to);
#if CUSIM_ASSEMBLY
  cusim_switch(&from->sp, to->sp);
#else
  swapcontext(&from->context, &to->context);
#endif
  fiber_arrived(from, nullptr);
}

void fiber_leave(fiber *to) {
  fiber_announce(nullptr, to);
#if CUSIM_ASSEMBLY
  void *nowhere;
  cusim_switch(&nowhere, to->sp);
#else
  setcontext(&to->context);
#endif
  abort();
}

} // namespace cusim
