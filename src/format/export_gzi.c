/* format/export_gzi.c - the .gzi of a BGZF object: where each block that holds something begins, but the first. Blocks
 * are walked by their heads, nothing is inflated.
 *
 * Owns: the list. May call: base, codec. */
#include "codec/codec.h"
#include "format/container.h"
#include "format/export.h"
#include "format/records_piece.h"

enum { ASK_BYTES = 1 << 20, ISIZE_BYTES = 4 };

typedef struct walking {
  mst_machine machine;
  const mst_job *job;
  mst_buf rest; /* bytes that belong to a block which is not whole yet */
  uint64_t fed, at, plain;
  mst_range need;
  mst_buf entries; /* mst_gzi_entry */
  bool begun, given_out;
} walking;

/* Whole blocks of `rest`. */
static mst_status walk(walking *w, mst_error *err) {
  mst_status status = MST_OK;
  size_t at = 0;
  while (at < w->rest.size) {
    const uint8_t *data = w->rest.data + at;
    mst_bgzf_block block;
    uint32_t plain;
    size_t want = 0;
    status = mst_bgzf_parse(data, w->rest.size - at, &block, &want, err);
    if (status != MST_OK && err != NULL && err->offset >= 0) err->offset += (int64_t)w->at;
    if (status != MST_OK) return status;
    if (want > 0 || block.size > w->rest.size - at) break;
    plain = mst_le32(data + block.size - ISIZE_BYTES);
    if (plain > 0 && w->begun) {
      const mst_gzi_entry entry = {.at = w->at, .plain = w->plain};
      MST_TRY(mst_buf_put(&w->entries, &entry, sizeof entry, err));
    }
    w->begun = w->begun || plain > 0;
    w->plain += plain;
    w->at += block.size;
    at += block.size;
  }
  if (at > 0) memmove(w->rest.data, w->rest.data + at, w->rest.size - at);
  w->rest.size -= at;
done:
  return status;
}

static mst_status take_given(walking *w, const mst_given *given, mst_error *err) {
  const mst_bytes *b = given->n == 1 ? &given->bytes[0] : NULL;
  mst_status status;
  if (b == NULL || b->size == 0 || b->size > w->need.length)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  w->fed += b->size;
  status = mst_buf_put(&w->rest, b->data, b->size, err);
  return status == MST_OK ? walk(w, err) : status;
}

static mst_status give(walking *w, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  mst_buf text;
  mst_buf_init(&text, w->job->mem, SIZE_MAX / 4);
  if (w->rest.size > 0)
    return mst_fail_at(err, MST_E_CORRUPT, w->at, "the object ends within the block that begins at byte %llu",
                       (unsigned long long)w->at);
  MST_TRY(mst_gzi_print((const mst_gzi_entry *)(const void *)w->entries.data, w->entries.size / sizeof(mst_gzi_entry),
                        &text, err));
  out->kind = MST_STEP_EMIT;
  MST_TRY(mst_buf_take(&text, &out->bytes, err));
  w->given_out = true;
done:
  mst_buf_free(&text);
  return status;
}

static mst_status walking_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  walking *w = (walking *)m;
  const uint64_t size = w->job->members[0].size;
  mst_status status = MST_OK;
  if (given != NULL) status = take_given(w, given, err);
  if (status != MST_OK) return mst_error_name(err, status, w->job->name);
  if (w->fed < size) {
    w->need = (mst_range){.offset = w->fed, .length = mst_min_u64(size - w->fed, ASK_BYTES)};
    out->kind = MST_STEP_NEED;
    out->some = true;
    out->need = &w->need;
    out->n_need = 1;
  } else if (!w->given_out) {
    status = give(w, out, err);
  } else {
    out->kind = MST_STEP_DONE;
  }
  return mst_error_name(err, status, w->job->name);
}

static void walking_close(mst_machine *m) {
  walking *w = (walking *)m;
  mst_buf_free(&w->rest);
  mst_buf_free(&w->entries);
  mst_free(w->job->mem, w);
}

mst_status mst_export_gzi(const mst_job *job, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = walking_step, .close = walking_close};
  mst_setting setting;
  const mst_status status = mst_setting_of(job, &setting, err);
  walking *w;
  if (status != MST_OK) return status;
  if (setting.container != &mst_container_bgzf)
    return mst_fail(err, MST_E_UNSUPPORTED, "%s is no BGZF object, so it has no .gzi (its container is %s)", job->name,
                    setting.container->name);
  w = mst_alloc_zero(job->mem, 1, sizeof *w);
  if (w == NULL) return mst_fail_memory(err);
  w->machine.ops = &ops;
  w->job = job;
  mst_buf_init(&w->rest, job->mem, 2 * ASK_BYTES);
  mst_buf_init(&w->entries, job->mem, SIZE_MAX / 4);
  *out = &w->machine;
  return MST_OK;
}
