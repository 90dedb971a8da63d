/* dataset/conflict.c - whether a change that was made over one state still holds over another: what others removed,
 * added and changed since, held against what this change removes, was judged by, and changes itself. May call: base,
 * column, store, dataset's own headers. */
#include "dataset/commit_run.h"

#include "dataset/dataset.h"
#include "dataset/history.h"
#include "dataset/schema.h"

#define CONFLICT(...) mst_fail(err, MST_E_CONFLICT, __VA_ARGS__)

static unsigned long long ull(uint64_t v) { return v; }

/* Commits that nothing can be rebased over. */
static mst_status check_log(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  json_t *records = NULL, *record;
  size_t i;
  MST_TRY(mst_log_records(r->head, r->base->version, &records, r->cancel, err));
  json_array_foreach(records, i, record) {
    const char *operation = json_string_value(json_object_get(record, "operation"));
    if (operation == NULL || (strcmp(operation, "restore") != 0 && strcmp(operation, "overwrite") != 0)) continue;
    status = CONFLICT("version %llu is a%s %s, made since version %llu, which this change began on",
                      ull((uint64_t)json_integer_value(json_object_get(record, "version"))),
                      operation[0] == 'o' ? "n" : "", operation, ull(r->base->version));
    goto done;
  }
done:
  json_decref(records);
  return status;
}

static mst_status check_removed(const mst_run *r, mst_error *err) {
  const mst_change *c = r->change;
  const mst_document *base = r->base->document;
  for (size_t i = 0; c->n_gone > 0 && i < mst_document_partitions(base); i++) {
    if ((c->gone[i / 64] >> (i % 64) & 1) == 0) continue;
    const char *label = mst_document_label(base, i);
    if (mst_document_find(r->head->document, label) == MST_DOCUMENT_NONE)
      return CONFLICT("the partition '%.200s' was removed or rewritten by another commit since version %llu", label,
                      ull(r->base->version));
  }
  return MST_OK;
}

static mst_status check_keys(const mst_run *r, mst_error *err) {
  const mst_document *a = r->base->document, *b = r->head->document;
  bool same = mst_document_n_keys(a) == mst_document_n_keys(b);
  for (size_t i = 0; same && i < mst_document_n_keys(a); i++)
    same = strcmp(mst_document_key(a, i), mst_document_key(b, i)) == 0;
  return same ? MST_OK
              : CONFLICT("the partition keys were changed by another commit since version %llu", ull(r->base->version));
}

static mst_status check_schema(const mst_run *r, mst_error *err) {
  const struct ArrowSchema *mine = &r->change->schema, *base = &r->base->schema, *head = &r->head->schema;
  if (mine->release == NULL || head->release == NULL) return MST_OK;
  if (base->release != NULL && (mst_table_schema_same(mine, base) || mst_table_schema_same(head, base))) return MST_OK;
  if (mst_table_schema_same(mine, head)) return MST_OK;
  return CONFLICT("this change and another commit since version %llu both change the schema", ull(r->base->version));
}

static mst_status check_metadata(const mst_run *r, mst_error *err) {
  const char *key;
  json_t *value;
  if (r->change->metadata == NULL) return MST_OK;
  json_object_foreach(r->change->metadata, key, value) {
    const json_t *was = json_object_get(mst_document_metadata(r->base->document), key);
    const json_t *now = json_object_get(mst_document_metadata(r->head->document), key);
    if ((was == NULL && now == NULL) || (was != NULL && now != NULL && json_equal(was, now))) continue;
    if (now != NULL && json_equal(now, value)) continue;
    return CONFLICT("the metadata member '%.100s' was changed by another commit since version %llu", key,
                    ull(r->base->version));
  }
  return MST_OK;
}

static mst_status added_since(const mst_run *r, const char ***out, size_t *n, mst_error *err) {
  const mst_document *head = r->head->document;
  size_t total = mst_document_partitions(head);
  const char **labels = mst_alloc_array(r->mem, total + 1, sizeof *labels);
  if (labels == NULL) return mst_fail_memory(err);
  *n = 0;
  for (size_t i = 0; i < total; i++) {
    const char *label = mst_document_label(head, i);
    if (mst_document_find(r->base->document, label) == MST_DOCUMENT_NONE) labels[(*n)++] = label;
  }
  *out = labels;
  return MST_OK;
}

static mst_status check_dependencies(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  const char **labels = NULL;
  size_t n = 0, hit;
  if (r->change->n_depends == 0) return MST_OK;
  MST_TRY(added_since(r, &labels, &n, err));
  for (size_t i = 0; n > 0 && i < r->change->n_depends; i++) {
    const mst_dependency *d = &r->change->depends[i];
    hit = n;
    status = mst_while(err, d->match(d->self, r->head, labels, n, &hit, r->cancel, err),
                       "while looking for rows that others added");
    if (status != MST_OK) goto done;
    if (hit >= n) continue;
    status = CONFLICT("another commit since version %llu added '%.160s', whose rows %.60s may match",
                      ull(r->base->version), labels[hit], d->what);
    goto done;
  }
done:
  mst_free(r->mem, (void *)(uintptr_t)labels);
  return status;
}

mst_status mst_run_check(mst_run *r, mst_error *err) {
  mst_status status = MST_OK;
  mst_section base;
  MST_TRY(mst_section_of(r->base->document, r->uuid, &base, err));
  if (base.birth[0] != '\0' && strcmp(base.birth, r->section.birth) != 0) {
    status = CONFLICT("the dataset was dropped and created again since version %llu", ull(r->base->version));
    goto done;
  }
  if (r->change == NULL || r->change->kind == MST_CHANGE_ALONE) {
    status = CONFLICT("version %llu was committed since version %llu, and this change replaces everything",
                      ull(r->head->version), ull(r->base->version));
    goto done;
  }
  MST_TRY(check_log(r, err));
  MST_TRY(check_keys(r, err));
  MST_TRY(check_removed(r, err));
  MST_TRY(check_schema(r, err));
  MST_TRY(check_metadata(r, err));
  MST_TRY(check_dependencies(r, err));
done:
  return status;
}
