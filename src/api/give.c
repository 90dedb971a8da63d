/* api/give.c - handing JSON out of the public calls. */
#include "api/give.h"

mst_status mst_give_json(json_t *value, mst_bytes *out, mst_error *err) {
  mst_buf text;
  mst_status status = MST_OK;
  if (out == NULL) return MST_OK;
  mst_buf_init(&text, NULL, SIZE_MAX / 2);
  MST_TRY(mst_json_print(value, &text, err));
  MST_TRY(mst_buf_take(&text, out, err));
done:
  mst_buf_free(&text);
  return status;
}
