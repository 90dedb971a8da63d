/* column/ipc_in.c - reads the schema message of Arrow IPC (Message.fbs, Schema.fbs), as Parquet files carry it. Bytes
 * are hostile: every offset is checked, and tables that are shared cannot multiply.
 *
 * Owns: nothing. May call: base. */
#include "column/column.h"
#include "column/ipc_fb.h"

static mst_status broken(const fb *b, const char *what) { return fb_broken(b, what); }

/* Counts text against what the message can hold; texts that are shared a few times are fine. */
static bool fb_count_text(fb *b, size_t n) {
  if (n > b->text_left) return false;
  b->text_left -= n;
  return true;
}

/* A copy of a text field; "" when absent. */
static mst_status fb_text(fb *b, const fb_table *t, unsigned i, char **out) {
  size_t at, n;
  if (!fb_vector(b, t, i, 1, &at, &n) || !fb_count_text(b, n)) return broken(b, "a text lies outside");
  *out = mst_text_copy_n(b->mem, n > 0 ? (const char *)b->data + at : "", n);
  return *out != NULL ? MST_OK : mst_fail_memory(b->err);
}

/* ---- types --------------------------------------------------------------------------------------------------- */

enum { FORMAT_MAX = 256 };

static mst_status unknown_type(const fb *b, int64_t number) {
  return mst_fail(b->err, MST_E_UNSUPPORTED, "the Arrow schema message has type number %lld", (long long)number);
}

static mst_status int_format(const fb *b, const fb_table *t, char *out) {
  static const char letters[2][5] = {"CSIL", "csil"};
  int64_t bits = fb_number(b, t, 0, 4, 0);
  bool is_signed = fb_number(b, t, 1, 1, 0) != 0;
  if (bits != 8 && bits != 16 && bits != 32 && bits != 64) return broken(b, "an integer of an odd width");
  out[0] = letters[is_signed][__builtin_ctzll((uint64_t)bits) - 3];
  return MST_OK;
}

static char unit_letter(int64_t unit) { return unit >= 0 && unit <= 3 ? "smun"[unit] : '?'; }

static mst_status timestamp_format(const fb *b, const fb_table *t, char *out) {
  size_t at, n;
  if (!fb_vector(b, t, 1, 1, &at, &n) || n > FORMAT_MAX - 8) return broken(b, "a time zone lies outside");
  snprintf(out, FORMAT_MAX, "ts%c:%.*s", unit_letter(fb_number(b, t, 0, 2, 0)), (int)n,
           n > 0 ? (const char *)b->data + at : "");
  return MST_OK;
}

static mst_status decimal_format(const fb *b, const fb_table *t, char *out) {
  int bits = (int)fb_number(b, t, 2, 4, 128);
  snprintf(out, FORMAT_MAX, bits == 128 ? "d:%d,%d" : "d:%d,%d,%d", (int)fb_number(b, t, 0, 4, 0),
           (int)fb_number(b, t, 1, 4, 0), bits);
  return MST_OK;
}

/* Types that need no parameters, by their number in the union; NULL: those with parameters. */
static const char *const bare_formats[] = {NULL, "n",  NULL, NULL, "z",  "u",  "b",  NULL,  NULL,
                                           NULL, NULL, NULL, "+l", "+s", NULL, NULL, NULL,  NULL,
                                           NULL, "Z",  "U",  "+L", "+r", "vz", "vu", "+vl", "+vL"};

static mst_status type_format(const fb *b, int64_t number, const fb_table *t, char *out) {
  memset(out, 0, FORMAT_MAX);
  if (number > 0 && (size_t)number < sizeof bare_formats / sizeof bare_formats[0] && bare_formats[number] != NULL) {
    snprintf(out, FORMAT_MAX, "%s", bare_formats[number]);
    return MST_OK;
  }
  switch (number) {
  case 2: return int_format(b, t, out);
  case 3: out[0] = "efg?"[fb_number(b, t, 0, 2, 0) & 3]; return MST_OK;
  case 7: return decimal_format(b, t, out);
  case 8: snprintf(out, FORMAT_MAX, "%s", fb_number(b, t, 0, 2, 1) == 0 ? "tdD" : "tdm"); return MST_OK;
  case 9: snprintf(out, FORMAT_MAX, "tt%c", unit_letter(fb_number(b, t, 0, 2, 1))); return MST_OK;
  case 10: return timestamp_format(b, t, out);
  case 11: snprintf(out, FORMAT_MAX, "ti%c", "MDn?"[fb_number(b, t, 0, 2, 0) & 3]); return MST_OK;
  case 15: snprintf(out, FORMAT_MAX, "w:%d", (int)fb_number(b, t, 0, 4, 0)); return MST_OK;
  case 16: snprintf(out, FORMAT_MAX, "+w:%d", (int)fb_number(b, t, 0, 4, 0)); return MST_OK;
  case 17: snprintf(out, FORMAT_MAX, "+m"); return MST_OK;
  case 18: snprintf(out, FORMAT_MAX, "tD%c", unit_letter(fb_number(b, t, 0, 2, 1))); return MST_OK;
  default: return unknown_type(b, number);
  }
}

/* ---- fields -------------------------------------------------------------------------------------------------- */

static mst_status get_pairs(fb *b, const fb_table *t, unsigned i, struct ArrowSchema *out) {
  mst_status status = MST_OK;
  mst_error *err = b->err;
  mst_metadata_pair *pairs = NULL;
  size_t at, n, k;
  if (!fb_vector(b, t, i, 4, &at, &n)) return broken(b, "the metadata lie outside");
  if (n == 0) return MST_OK;
  MST_TRY_ALLOC(pairs = mst_alloc_array(b->mem, n, sizeof *pairs));
  for (k = 0; k < n; k++) {
    fb_table pair;
    size_t text[2], size[2], place = fb_follow(b, at + 4 * k);
    if (place == 0 || !fb_table_at(b, place, &pair) || !fb_vector(b, &pair, 0, 1, &text[0], &size[0]) ||
        !fb_vector(b, &pair, 1, 1, &text[1], &size[1]) || !fb_count_text(b, size[0]) || !fb_count_text(b, size[1])) {
      status = broken(b, "a metadata pair lies outside");
      goto done;
    }
    pairs[k] = (mst_metadata_pair){(const char *)b->data + text[0], size[0], (const char *)b->data + text[1], size[1]};
  }
  MST_TRY(mst_schema_set_pairs(out, pairs, n, err));
done:
  mst_free(b->mem, pairs);
  return status;
}

static mst_status get_fields(fb *b, const fb_table *t, unsigned i, int depth, const char *format, const char *name,
                             int64_t flags, struct ArrowSchema *out);

/* A dictionary-encoded field: its node holds the indices' type, what was made so far becomes the dictionary. */
static mst_status wrap_dictionary(fb *b, const fb_table *dictionary, const char *name, struct ArrowSchema *field) {
  mst_status status = MST_OK;
  struct ArrowSchema indices = {0};
  char format[FORMAT_MAX] = "i";
  fb_table type;
  int64_t flags = field->flags;
  if (fb_subtable(b, dictionary, 1, &type)) {
    memset(format, 0, sizeof format);
    MST_TRY(int_format(b, &type, format));
  }
  if (fb_number(b, dictionary, 2, 1, 0) != 0) flags |= ARROW_FLAG_DICTIONARY_ORDERED;
  MST_TRY(mst_schema_node(b->mem, format, name, flags, 0, &indices, b->err));
  MST_TRY(mst_schema_set_metadata(&indices, field->metadata, b->err));
  mst_schema_set_dictionary(&indices, field);
  *field = indices;
  indices = (struct ArrowSchema){0};
done:
  mst_schema_release(&indices);
  return status;
}

static mst_status get_field(fb *b, size_t at, int depth, struct ArrowSchema *out) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  char *name = NULL, format[FORMAT_MAX];
  fb_table t, type = {0}, dictionary;
  int64_t number, flags;
  if (at == 0 || !fb_table_at(b, at, &t)) return broken(b, "a field lies outside");
  if (b->fields_left-- == 0 || depth > MST_SCHEMA_DEPTH_MAX)
    return broken(b, "it has more fields than its bytes can hold");
  MST_TRY(fb_text(b, &t, 0, &name));
  number = fb_number(b, &t, 2, 1, 0);
  if (!fb_subtable(b, &t, 3, &type)) {
    status = broken(b, "a field has no type");
    goto done;
  }
  MST_TRY(type_format(b, number, &type, format));
  flags = fb_number(b, &t, 1, 1, 0) != 0 ? ARROW_FLAG_NULLABLE : 0;
  if (number == 17 && fb_number(b, &type, 0, 1, 0) != 0) flags |= ARROW_FLAG_MAP_KEYS_SORTED;
  MST_TRY(get_fields(b, &t, 5, depth, format, name, flags, &made));
  MST_TRY(get_pairs(b, &t, 6, &made));
  if (fb_subtable(b, &t, 4, &dictionary)) MST_TRY(wrap_dictionary(b, &dictionary, name, &made));
  *out = made;
  made = (struct ArrowSchema){0};
done:
  mst_schema_release(&made);
  mst_free(b->mem, name);
  return status;
}

/* A node with the children that the vector in field `i` lists. */
static mst_status get_fields(fb *b, const fb_table *t, unsigned i, int depth, const char *format, const char *name,
                             int64_t flags, struct ArrowSchema *out) {
  mst_status status = MST_OK;
  size_t at, n, k;
  struct ArrowSchema made = {0};
  if (!fb_vector(b, t, i, 4, &at, &n)) return broken(b, "a list of fields lies outside");
  if (n > b->fields_left) return broken(b, "it has more fields than its bytes can hold");
  MST_TRY(mst_schema_node(b->mem, format, name, flags, n, &made, b->err));
  for (k = 0; k < n; k++) MST_TRY(get_field(b, fb_follow(b, at + 4 * k), depth + 1, made.children[k]));
  *out = made;
  made = (struct ArrowSchema){0};
done:
  mst_schema_release(&made);
  return status;
}

mst_status mst_ipc_get_schema(const mst_allocator *mem, const uint8_t *data, size_t n, struct ArrowSchema *out,
                              mst_error *err) {
  mst_status status = MST_OK;
  struct ArrowSchema made = {0};
  fb_table message, schema;
  fb b = {.mem = mem, .err = err};
  size_t skip = n >= 8 && mst_le32(data) == UINT32_MAX ? 8 : 4;
  if (n < skip + 4) return mst_fail(err, MST_E_CORRUPT, "an Arrow schema message of %zu bytes is too short", n);
  b.data = data + skip;
  b.size = n - skip;
  b.fields_left = b.size / 16 + 1;
  b.text_left = 4 * b.size;
  if (!fb_table_at(&b, mst_le32(b.data), &message)) return broken(&b, "its root lies outside");
  if (fb_number(&b, &message, 1, 1, 0) != 1 || !fb_subtable(&b, &message, 2, &schema))
    return broken(&b, "it is no schema message");
  MST_TRY(get_fields(&b, &schema, 1, 0, "+s", "", 0, &made));
  MST_TRY(get_pairs(&b, &schema, 2, &made));
  *out = made;
  made = (struct ArrowSchema){0};
done:
  mst_schema_release(&made);
  return status;
}
