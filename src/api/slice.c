/* api/slice.c - the public calls of meseta/slice.h: checks arguments, completes options, calls down. */
#include "column/column.h"
#include "dataset/dataset.h"
#include "source/source.h"

#define NEEDS(condition, what) \
  if (!(condition)) return mst_fail(err, MST_E_ARGUMENT, "%s: %s must not be NULL", __func__, what)

/* Of modules that make slices of their own. */
static const mst_slice_provider *const providers[] = {&mst_dataset_slices, NULL};

mst_status mst_slice_parse(mst_context *ctx, const void *text, size_t size, const mst_pair *config, size_t n_config,
                           mst_slice **out, mst_error *err) {
  mst_error_clear(err);
  NEEDS(text != NULL && out != NULL && (config != NULL || n_config == 0), "text, config and out");
  ctx = mst_context_or_default(ctx);
  if (ctx == NULL) return mst_fail_memory(err);
  return mst_slice_from_json(ctx, text, size, config, n_config, providers, out, err);
}

mst_status mst_slice_describe(mst_slice *s, mst_bytes *out, mst_cancel *cancel, mst_error *err) {
  json_t *value = NULL;
  mst_buf text;
  mst_error_clear(err);
  NEEDS(s != NULL && out != NULL, "slice and out");
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  mst_status status = mst_slice_facts(s, &value, cancel, err);
  if (status == MST_OK) status = mst_json_print(value, &text, err);
  if (status == MST_OK) status = mst_buf_take(&text, out, err);
  mst_buf_free(&text);
  json_decref(value);
  return status;
}

mst_status mst_slice_read(mst_slice *s, const mst_read_options *options, mst_bytes *out, mst_cancel *cancel,
                          mst_error *err) {
  mst_read_options o;
  mst_error_clear(err);
  NEEDS(s != NULL && out != NULL, "slice and out");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_read_options", err);
  return status == MST_OK ? mst_slice_all(s, &o, out, cancel, err) : status;
}

mst_status mst_slice_open(mst_slice *s, const mst_read_options *options, mst_reader **out, mst_cancel *cancel,
                          mst_error *err) {
  mst_read_options o;
  mst_error_clear(err);
  NEEDS(s != NULL && out != NULL, "slice and out");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_read_options", err);
  return status == MST_OK ? mst_slice_begin(s, &o, out, cancel, err) : status;
}

mst_status mst_slice_stream(mst_slice *s, const mst_read_options *options, struct ArrowArrayStream *out,
                            mst_cancel *cancel, mst_error *err) {
  mst_read_options o;
  mst_error_clear(err);
  NEEDS(s != NULL && out != NULL, "slice and out");
  mst_status status = mst_options_take(&o, sizeof o, options, "mst_read_options", err);
  return status == MST_OK ? mst_slice_arrow(s, &o, out, cancel, err) : status;
}

bool mst_stream_get_error(const struct ArrowArrayStream *stream, mst_error *out) {
  const mst_error *error = stream == NULL ? NULL : mst_stream_error(stream);
  if (error == NULL || out == NULL) return false;
  *out = *error;
  return true;
}
