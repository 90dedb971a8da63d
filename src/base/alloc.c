/* base/alloc.c - the allocator calls, with malloc behind a NULL allocator. Owns nothing. Calls libc only. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bits.h"

void *mst_resize(const mst_allocator *mem, void *old, size_t size) {
  /* An allocator frees at size 0, so that "nothing" must be asked for as one byte. */
  if (size == 0) size = 1;
  return mem == NULL ? realloc(old, size) : mem->resize(mem->self, old, size);
}

void *mst_alloc(const mst_allocator *mem, size_t size) { return mst_resize(mem, NULL, size); }

void *mst_alloc_array(const mst_allocator *mem, size_t count, size_t size) {
  size_t total;
  return mst_mul_size(count, size, &total) ? mst_alloc(mem, total) : NULL;
}

void *mst_alloc_zero(const mst_allocator *mem, size_t count, size_t size) {
  size_t total;
  void *block;
  if (!mst_mul_size(count, size, &total)) return NULL;
  /* calloc knows which pages are zero already. */
  if (mem == NULL) return calloc(1, total == 0 ? 1 : total);
  block = mst_alloc(mem, total);
  if (block != NULL) memset(block, 0, total);
  return block;
}

void mst_free(const mst_allocator *mem, void *block) {
  if (block == NULL) return;
  if (mem == NULL) free(block);
  else mem->resize(mem->self, block, 0);
}

char *mst_text_copy_n(const mst_allocator *mem, const char *text, size_t n) {
  size_t size;
  char *copy;
  if (!mst_add_size(n, 1, &size)) return NULL;
  copy = mst_alloc(mem, size);
  if (copy == NULL) return NULL;
  if (n > 0) memcpy(copy, text, n);
  copy[n] = '\0';
  return copy;
}

char *mst_text_copy(const mst_allocator *mem, const char *text) { return mst_text_copy_n(mem, text, strlen(text)); }

enum { LARGE_PAGE = 2 << 20 };

void mst_expect_whole(void *block, size_t size) {
#ifdef MADV_HUGEPAGE
  uintptr_t begin = ((uintptr_t)block + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  uintptr_t end = ((uintptr_t)block + size) / LARGE_PAGE * LARGE_PAGE;
  if (block != NULL && begin < end) (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
  (void)block;
  (void)size;
#endif
}

#ifdef MADV_POPULATE_WRITE
/* Of this thread alone: others that run meanwhile do not make pages slow. */
static int64_t spent_ns(void) {
  struct timespec t = {0};
  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
#endif

size_t mst_bring_in(void *block, size_t size, size_t from, size_t to, unsigned *slow) {
#ifdef MADV_POPULATE_WRITE
  enum { SMALL_PAGE = 4096, SLOW_NS = 1000000, SLOW_MOST = 2 };
  const uintptr_t start = (uintptr_t)block, last = (start + size) / SMALL_PAGE * SMALL_PAGE;
  uintptr_t at = (start + from + SMALL_PAGE - 1) / SMALL_PAGE * SMALL_PAGE, next;
  int64_t began = 0;
  if (from == 0 && *slow < SLOW_MOST) mst_expect_whole(block, size);
  for (; at < start + to && at < last; at = next) {
    bool large = *slow < SLOW_MOST && at % LARGE_PAGE == 0;
    next = mst_min_u64(at / LARGE_PAGE * LARGE_PAGE + LARGE_PAGE, last);
    if (large) began = spent_ns();
    if (madvise((void *)at, next - at, MADV_POPULATE_WRITE) != 0) return size;
    if (large && spent_ns() - began > SLOW_NS && ++*slow >= SLOW_MOST && next < last)
      (void)madvise((void *)next, last - next, MADV_NOHUGEPAGE);
  }
  return at < last ? at - start : size;
#else
  (void)block;
  (void)from;
  (void)to;
  (void)slow;
  return size;
#endif
}
