/* store/page.c - pages of listings: entries whose text lies in one growing buffer. May call: base. */
#include "store/store.h"

/* Keys are at most 1 KiB in S3; a page of 10,000 of them stays far below this, and a hostile server cannot pass it. */
static const size_t page_text_max = 64u << 20;

void mst_page_init(mst_page *p, const mst_allocator *mem) {
  *p = (mst_page){.mem = mem};
  mst_buf_init(&p->text, mem, page_text_max);
}

void mst_page_clear(mst_page *p) {
  mst_free(p->mem, p->next);
  p->next = NULL;
  p->n = 0;
  mst_buf_clear(&p->text);
}

void mst_page_free(mst_page *p) {
  if (p == NULL) return;
  mst_free(p->mem, p->next);
  mst_free(p->mem, p->entries);
  mst_buf_free(&p->text);
  const mst_allocator *mem = p->mem;
  mst_page_init(p, mem);
}

static mst_status grow(mst_page *p, mst_error *err) {
  size_t capacity = p->capacity == 0 ? 64 : p->capacity * 2;
  size_t size;
  if (!mst_mul_size(capacity, sizeof *p->entries, &size)) return mst_fail_memory(err);
  mst_entry *entries = mst_resize(p->mem, p->entries, size);
  if (entries == NULL) return mst_fail_memory(err);
  p->entries = entries;
  p->capacity = capacity;
  return MST_OK;
}

/* Until the page ends, texts are offsets into the buffer, which may still move. */
static const char *as_offset(size_t at) { return (const char *)(uintptr_t)at; }

mst_status mst_page_add(mst_page *p, const char *key, size_t n_key, uint64_t size, int64_t modified_ns,
                        const char *etag, bool is_prefix, mst_error *err) {
  mst_status status = MST_OK;
  if (p->n == p->capacity) MST_TRY(grow(p, err));
  size_t key_at = p->text.size;
  MST_TRY(mst_buf_put(&p->text, key, n_key, err));
  MST_TRY(mst_buf_put_byte(&p->text, 0, err));
  size_t etag_at = p->text.size - 1; /* the NUL: "" */
  if (etag != NULL && etag[0] != '\0') {
    etag_at = p->text.size;
    MST_TRY(mst_buf_put(&p->text, etag, strlen(etag) + 1, err));
  }
  p->entries[p->n++] = (mst_entry){.key = as_offset(key_at),
                                   .size = size,
                                   .modified_ns = modified_ns,
                                   .etag = as_offset(etag_at),
                                   .is_prefix = is_prefix};
done:
  return status;
}

mst_status mst_page_end(mst_page *p, const char *next, mst_error *err) {
  mst_free(p->mem, p->next);
  p->next = NULL;
  if (next != NULL) {
    p->next = mst_text_copy(p->mem, next);
    if (p->next == NULL) return mst_fail_memory(err);
  }
  for (size_t i = 0; i < p->n; i++) {
    p->entries[i].key = (const char *)p->text.data + (uintptr_t)p->entries[i].key;
    p->entries[i].etag = (const char *)p->text.data + (uintptr_t)p->entries[i].etag;
  }
  return MST_OK;
}
