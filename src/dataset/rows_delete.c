/* dataset/rows_delete.c - rows that meet a condition go: a file whose rows all do by metadata alone, others are written anew without
 * them. May call: base, column, expr, dataset's own headers. */
#include "dataset/dataset.h"
#include "dataset/rows.h"

typedef struct deletion {
  mst_dataset *view;
  mst_predicate *kept; /* rows that stay */
  const mst_touched_list *list;
  size_t *columns, n_columns;
} deletion;

static mst_status open_kept(void *self, size_t i, uint64_t memory, struct ArrowArrayStream *out, mst_cancel *cancel, mst_error *err) {
  const deletion *x = self;
  const mst_part_options o = {.columns = x->columns, .n_columns = x->n_columns, .predicate = x->kept, .memory = memory / 2, .in_caller = true};
  return mst_part_open(x->view, x->list->items[i].part, &o, out, cancel, err);
}

mst_status mst_rows_drop(mst_change *c, mst_dataset *view, mst_where *where, const mst_touched_list *list, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_where *complement = NULL;
  deletion x = {.view = view, .list = list};
  MST_TRY(mst_where_not(view->mem, where, &complement, err));
  MST_TRY(mst_predicate_bind(view->mem, complement, &view->schema, &x.kept, err));
  MST_TRY(mst_data_columns(view, &x.columns, &x.n_columns, err));
  MST_TRY(mst_rows_rewrite(c, view, list, open_kept, &x, cancel, err));
done:
  mst_free(view->mem, x.columns);
  mst_predicate_unref(x.kept);
  mst_where_unref(complement);
  return status;
}

mst_status mst_ds_change_delete(mst_change *c, const char *where, mst_cancel *cancel, mst_error *err) {
  mst_status status = MST_OK;
  mst_dataset *view = NULL;
  mst_where *w = NULL;
  mst_predicate *p = NULL;
  mst_touched_list list = {.mem = c->mem};
  if (where == NULL) return mst_fail(err, MST_E_ARGUMENT, "delete needs a condition; true deletes all rows");
  MST_TRY(mst_change_view(c, &view, err));
  mst_ds_ref(view);
  MST_TRY(mst_condition_of(view, where, &w, &p, err));
  MST_TRY(mst_rows_find(view, p, &list, cancel, err));
  MST_TRY(mst_change_depend_where(c, "the condition of delete", where, err));
  MST_TRY(mst_rows_drop(c, view, w, &list, cancel, err));
  mst_change_count(c, 0, mst_touched_rows(&list));
  mst_change_did(c, "delete");
done:
  mst_touched_free(&list);
  mst_predicate_unref(p);
  mst_where_unref(w);
  mst_ds_unref(view);
  return status == MST_OK ? MST_OK : mst_while(err, status, "while deleting rows");
}
