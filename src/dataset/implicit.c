/* dataset/implicit.c - see implicit.h. Index files end in .parquet, too: their folder is passed over. */
#include "dataset/implicit.h"

#include "dataset/key.h"

typedef struct lister {
  const char *uuid;
  const mst_allocator *mem;
  mst_edit *edit;
  char *table;
  mst_document *from;
  mst_buf label;
} lister;

/* The table's name in a key of at least three parts, the rest behind it; false for what is none of a table. */
static bool split_key(const char *key, const char *uuid, const char **table, size_t *n_table, const char **rest) {
  const size_t n = strlen(uuid);
  const char *why;
  if (strncmp(key, uuid, n) != 0 || key[n] != '/' || !mst_key_is_safe(key, strlen(key), &why)) return false;
  *table = key + n + 1;
  const char *end = strchr(*table, '/');
  if (end == NULL || end == *table || end[1] == '\0') return false;
  *n_table = (size_t)(end - *table);
  *rest = end + 1;
  return !(*n_table == 7 && memcmp(*table, "indices", 7) == 0);
}

static mst_status keep_table(lister *l, const char *table, size_t n, mst_error *err) {
  if (l->table != NULL && strlen(l->table) == n && memcmp(l->table, table, n) == 0) return MST_OK;
  if (l->table != NULL)
    return mst_fail(err, MST_E_UNSUPPORTED, "dataset %.60s: more than one table: \"%.60s\" and \"%.*s\"", l->uuid, l->table,
                    (int)mst_min_size(n, 60), table);
  l->table = mst_text_copy_n(l->mem, table, n);
  return l->table != NULL ? MST_OK : mst_fail_memory(err);
}

/* The label of a file: its "column=value" parts and its name. */
static mst_status make_label(lister *l, const char *rest, mst_error *err) {
  mst_status status = MST_OK;
  mst_key_part part;
  size_t at = 0;
  mst_buf_clear(&l->label);
  while (mst_label_next(rest, &at, &part))
    MST_TRY(mst_buf_put(&l->label, part.column, part.n_column + 1 + part.n_value + 1, err));
  const char *file = strrchr(rest, '/') != NULL ? strrchr(rest, '/') + 1 : rest;
  MST_TRY(mst_buf_put(&l->label, file, strlen(file) - strlen(".parquet"), err));
done:
  return status;
}

static mst_status take_file(void *arg, const mst_object_info *info, mst_error *err) {
  lister *l = arg;
  mst_status status = MST_OK;
  const char *table, *rest;
  size_t n_table;
  if (info->is_prefix || !mst_text_ends(info->key, ".parquet") || !split_key(info->key, l->uuid, &table, &n_table, &rest)) return MST_OK;
  MST_TRY(keep_table(l, table, n_table, err));
  if (l->edit == NULL) MST_TRY(mst_edit_open(l->mem, l->from, NULL, l->table, &l->edit, err));
  MST_TRY(make_label(l, rest, err));
  const char *label = mst_buf_text(&l->label);
  const bool regular = strlen(rest) == l->label.size + strlen(".parquet") && strncmp(rest, label, l->label.size) == 0;
  MST_TRY(mst_edit_add(l->edit, label, regular ? NULL : info->key, err));
done:
  return mst_while(err, status, "implicit partition %.200s", info->key);
}

mst_status mst_implicit_partitions(mst_store *store, mst_document *from, mst_document **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  const mst_allocator *mem = mst_context_mem(mst_store_context(store));
  lister l = {.uuid = mst_document_uuid(from), .mem = mem, .from = from};
  mst_buf prefix;
  mst_buf_init(&prefix, mem, SIZE_MAX / 2);
  mst_buf_init(&l.label, mem, SIZE_MAX / 2);
  MST_TRY(mst_buf_printf(&prefix, err, "%s/", l.uuid));
  MST_TRY(mst_list_run(store, mst_buf_text(&prefix), NULL, take_file, &l, cancel, err));
  if (l.edit == NULL) {
    MST_TRY(mst_implicit_table(store, l.uuid, mem, &l.table, cancel, err));
    MST_TRY(mst_edit_open(mem, from, NULL, l.table, &l.edit, err));
  }
  MST_TRY(mst_edit_finish(l.edit, out, err));
done:
  mst_edit_free(l.edit);
  mst_free(mem, l.table);
  mst_buf_free(&l.label);
  mst_buf_free(&prefix);
  return status;
}

static mst_status take_common(void *arg, const mst_object_info *info, mst_error *err) {
  lister *l = arg;
  const char *table, *rest;
  size_t n_table;
  if (info->is_prefix || !mst_text_ends(info->key, MST_KEY_COMMON) || !split_key(info->key, l->uuid, &table, &n_table, &rest)) return MST_OK;
  return keep_table(l, table, n_table, err);
}

mst_status mst_implicit_table(mst_store *store, const char *uuid, const mst_allocator *mem, char **out, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  lister l = {.uuid = uuid, .mem = mem};
  mst_buf prefix;
  mst_buf_init(&prefix, mem, SIZE_MAX / 2);
  MST_TRY(mst_buf_printf(&prefix, err, "%s/", uuid));
  MST_TRY(mst_list_run(store, mst_buf_text(&prefix), NULL, take_common, &l, cancel, err));
  *out = l.table;
  l.table = NULL;
done:
  mst_free(mem, l.table);
  mst_buf_free(&prefix);
  return status;
}
