/* base/alloc.h - every allocation of the library goes through an mst_allocator, so that tests can make each one fail.
 * `mem` may be NULL everywhere: malloc. Handles keep the allocator they were opened with. */
#ifndef MST_BASE_ALLOC_H
#define MST_BASE_ALLOC_H

#include <meseta/context.h>

/* NULL when there is no memory; a size of 0 gives a valid pointer. */
void *mst_alloc(const mst_allocator *mem, size_t size);
void *mst_alloc_zero(const mst_allocator *mem, size_t count, size_t size); /* NULL also when count * size overflows */
void *mst_alloc_array(const mst_allocator *mem, size_t count, size_t size);
/* Grows or shrinks; the old block stays valid when NULL comes back. */
void *mst_resize(const mst_allocator *mem, void *old, size_t size);
void mst_free(const mst_allocator *mem, void *block);                        /* NULL is fine */
char *mst_text_copy(const mst_allocator *mem, const char *text);             /* NUL-terminated copy */
char *mst_text_copy_n(const mst_allocator *mem, const char *text, size_t n); /* copies n bytes and adds a NUL */

/* Of a large fresh block that will be written from end to end: asks the kernel for large pages, because thousands of
 * page faults cost several times what the bytes do. Only a hint, and nothing for small blocks. */
void mst_expect_whole(void *block, size_t size);
/* Makes pages present from byte `from` of a block on, at least up to byte `to`, all at once, which costs less than a fault
 * for each; gives the byte up to which they are. Large pages as long as those come quickly: in a virtual machine that must
 * get them from its host first they may take many times what small ones do. `*slow`, 0 in the beginning, counts how often
 * that was met, and soon ends it. */
size_t mst_bring_in(void *block, size_t size, size_t from, size_t to, unsigned *slow);

#endif
