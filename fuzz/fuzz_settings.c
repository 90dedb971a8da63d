/* fuzz/fuzz_settings.c - what a slice says of its store: settings and pin, as JSON from anywhere. */
#include <stdint.h>
#include <string.h>

#include "store/options.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pin(const json_t *json) {
  mst_pin pin, again;
  json_t *printed = NULL;
  if (mst_pin_from_json(json, "fuzz", &pin, NULL) != MST_OK) return;
  if (mst_pin_to_json(&pin, &printed, NULL) == MST_OK && mst_pin_from_json(printed, "fuzz", &again, NULL) == MST_OK)
    mst_assert(mst_pin_same(&pin, &again));
  json_decref(printed);
}

static void check_settings(const json_t *json) {
  mst_settings *s = NULL;
  if (mst_settings_make(mst_context_default(), MST_FOR_S3, NULL, 0, json, &s, NULL) != MST_OK) return;
  for (int id = 0; id < MST_OPTIONS; id++) {
    const mst_option *row = mst_option_row((mst_option_id)id);
    /* nothing secret, and nothing but the place, ever comes from a slice */
    if (mst_settings_origin(s, (mst_option_id)id) == MST_FROM_SLICE)
      mst_assert(!row->secret && id <= MST_OPTION_ANONYMOUS);
  }
  mst_settings_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_t *json = NULL;
  if (mst_json_parse(data, size, 1 << 16, "fuzz", &json, NULL) != MST_OK) return 0;
  check_pin(json);
  check_settings(json);
  json_decref(json);
  return 0;
}
