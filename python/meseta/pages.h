/* pages.h - large pages for large results: fresh memory in small ones costs more than what is read into it. */
#ifndef MESETA_PYTHON_PAGES_H
#define MESETA_PYTHON_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define MST_PY_LARGE_PAGE ((uintptr_t)2 << 20)

/* A wish only: `data` is the allocator's, and stays as it is where the system has no large pages. */
static void mst_py_large_pages(char *data, size_t size) {
#ifdef MADV_HUGEPAGE
  const uintptr_t from = ((uintptr_t)data + MST_PY_LARGE_PAGE - 1) & ~(MST_PY_LARGE_PAGE - 1);
  const uintptr_t to = ((uintptr_t)data + size) & ~(MST_PY_LARGE_PAGE - 1);
  if (to > from) (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
#else
  (void)data;
  (void)size;
#endif
}

#endif
