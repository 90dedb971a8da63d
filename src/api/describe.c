/* api/describe.c - what this build is and can do, as JSON: mst_describe. */
#include <meseta/meseta.h>

#include "base/base.h"
#include "format/format.h"
#include "store/store.h"

static json_t *texts(const char *const *list) {
  json_t *a = json_array();
  for (size_t i = 0; a != NULL && list != NULL && list[i] != NULL; i++) json_array_append_new(a, json_string(list[i]));
  return a;
}

static json_t *build_json(void) {
#if defined(__clang__)
  const char *compiler = "clang " __clang_version__;
#elif defined(__GNUC__)
  const char *compiler = "gcc " __VERSION__;
#else
  const char *compiler = "?";
#endif
  const char *simd = "portable";
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) simd = __builtin_cpu_supports("bmi2") ? "avx2+bmi2" : "avx2";
#endif
  return json_pack("{s:s, s:s, s:s}", "version", mst_version(), "compiler", compiler, "simd", simd);
}

static json_t *formats_json(void) {
  json_t *all = json_array();
  for (const mst_format *const *f = mst_formats(); all != NULL && *f != NULL; f++) {
    json_t *o = json_pack("{s:s, s:s, s:i, s:b, s:b}", "name", (*f)->name, "title", (*f)->title, "version",
                          (int)(*f)->version, "compressed", ((*f)->flags & MST_FORMAT_TEXT_LIKE) != 0, "needs_index",
                          ((*f)->flags & MST_FORMAT_NO_INDEX) == 0);
    json_object_set_new(o, "names", texts((*f)->globs));
    json_object_set_new(o, "strategies", texts((*f)->strategies));
    json_object_set_new(o, "options", texts((*f)->options));
    json_object_set_new(o, "companions", texts((*f)->companions));
    json_array_append_new(all, o);
  }
  return all;
}

static json_t *stores_json(void) {
  static const char *const rows[][2] = {{"file", "a local folder: a path, or file:///path"},
                                        {"memory", "in this process: memory://name"},
                                        {"s3", "Amazon S3 and what speaks its protocol: s3://bucket/key"},
                                        {"http", "read-only: http://host/path"},
                                        {"https", "read-only: https://host/path"}};
  json_t *all = json_array();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    json_array_append_new(all, json_pack("{s:s, s:s}", "name", rows[i][0], "title", rows[i][1]));
  return all;
}

static json_t *errors_json(void) {
  json_t *all = json_array();
  for (int code = 0; code >= MST_E_INTERNAL; code--)
    json_array_append_new(all, json_pack("{s:i, s:s}", "status", code, "name", mst_status_name((mst_status)code)));
  return all;
}

mst_status mst_describe(mst_context *ctx, const char *what, mst_bytes *out, mst_error *err) {
  mst_status status = MST_OK;
  json_t *value = NULL;
  mst_buf text;
  mst_error_clear(err);
  if (what == NULL || out == NULL) return mst_fail(err, MST_E_ARGUMENT, "mst_describe: what and out must not be NULL");
  ctx = mst_context_or_default(ctx);
  mst_buf_init(&text, ctx == NULL ? NULL : mst_context_mem(ctx), SIZE_MAX / 2);
  if (mst_text_equal(what, "build")) value = build_json();
  else if (mst_text_equal(what, "formats")) value = formats_json();
  else if (mst_text_equal(what, "stores")) value = stores_json();
  else if (mst_text_equal(what, "errors")) value = errors_json();
  else if (mst_text_equal(what, "options")) MST_TRY(mst_options_to_json(&value, err));
  else {
    status = mst_fail(err, MST_E_ARGUMENT,
                      "mst_describe knows build, formats, stores, options and errors, not \"%.40s\"", what);
    goto done;
  }
  MST_TRY_ALLOC(value);
  MST_TRY(mst_json_print(value, &text, err));
  MST_TRY(mst_buf_take(&text, out, err));
done:
  json_decref(value);
  mst_buf_free(&text);
  return status;
}
