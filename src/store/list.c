/* store/list.c - a whole listing from its pages: while one page is handed out, the next one is on its way.
 * May call: base, store.c. */
#include "store/store.h"

/* One page and the operation that fills it. */
typedef struct fetched {
  mst_op op;
  mst_page page;
  char *token; /* that it was asked for with */
  pthread_mutex_t lock;
  pthread_cond_t ended;
  bool under_way, done;
  mst_status status;
} fetched;

typedef struct listing {
  mst_store *store;
  const mst_allocator *mem;
  const char *prefix, *delimiter;
  mst_cancel *cancel; /* the caller's */
  mst_cancel *stop;   /* ours: for a page that nobody wants any more */
  fetched pages[2];
} listing;

static void page_done(mst_op *op, mst_status status) {
  fetched *f = op->done_arg;
  pthread_mutex_lock(&f->lock);
  f->done = true;
  f->status = status;
  pthread_cond_signal(&f->ended);
  pthread_mutex_unlock(&f->lock);
}

static void prepare(const listing *l, fetched *f, mst_cancel *cancel) {
  mst_page_clear(&f->page);
  f->op = mst_op_make(MST_OP_LIST, NULL);
  f->op.prefix = l->prefix;
  f->op.delimiter = l->delimiter;
  f->op.token = f->token;
  f->op.page = &f->page;
  f->op.cancel = cancel;
}

static void start(const listing *l, fetched *f) {
  prepare(l, f, l->stop);
  f->op.done = page_done;
  f->op.done_arg = f;
  f->done = false;
  f->under_way = true;
  mst_store_start(l->store, &f->op);
}

static mst_status wait_for(const listing *l, fetched *f, mst_error *err) {
  bool asked = false;
  pthread_mutex_lock(&f->lock);
  while (!f->done) {
    mst_cond_wait_short(&f->ended, &f->lock);
    if (f->done || asked || !(mst_cancelled(l->cancel) || mst_cancelled(l->stop))) continue;
    asked = true;
    pthread_mutex_unlock(&f->lock);
    mst_cancel_request(l->stop);
    mst_store_cancel(l->store, &f->op);
    pthread_mutex_lock(&f->lock);
  }
  pthread_mutex_unlock(&f->lock);
  f->under_way = false;
  if (f->status == MST_OK) return MST_OK;
  mst_store_name_error(l->store, &f->op, &f->op.error);
  if (err != NULL) *err = f->op.error;
  return f->status;
}

static mst_status hand_out(const mst_page *page, mst_list_fn each, void *arg, mst_error *err) {
  for (size_t i = 0; i < page->n; i++) {
    const mst_entry *e = &page->entries[i];
    mst_object_info info = {.key = e->key,
                            .size = e->size,
                            .modified_us = e->modified_ns / 1000,
                            .etag = e->etag,
                            .is_prefix = e->is_prefix};
    mst_status status = each(arg, &info, err);
    if (status != MST_OK) return status;
  }
  return MST_OK;
}

/* The token moves from a page to the one that follows it. A server that gives the same one again would never end. */
static mst_status pass_token(fetched *from, fetched *to, const mst_allocator *mem, mst_error *err) {
  if (from->token != NULL && strcmp(from->token, from->page.next) == 0)
    return mst_fail(err, MST_E_CORRUPT, "the listing does not go on: the next page is this page");
  mst_free(mem, to->token);
  to->token = from->page.next;
  from->page.next = NULL;
  return MST_OK;
}

static mst_status list_pages(listing *l, mst_list_fn each, void *arg, mst_error *err) {
  bool local = (mst_store_flags(l->store) & MST_STORE_LOCAL) != 0;
  mst_status status = MST_OK;
  fetched *now = &l->pages[0];
  prepare(l, now, l->cancel);
  MST_TRY(mst_store_perform(l->store, &now->op, err));
  for (;;) {
    fetched *next = now == &l->pages[0] ? &l->pages[1] : &l->pages[0];
    bool more = now->page.next != NULL;
    if (more) MST_TRY(pass_token(now, next, l->mem, err));
    if (more && !local) start(l, next);
    MST_TRY(hand_out(&now->page, each, arg, err));
    if (!more) break;
    if (local) {
      prepare(l, next, l->cancel);
      MST_TRY(mst_store_perform(l->store, &next->op, err));
    } else {
      MST_TRY(wait_for(l, next, err));
    }
    now = next;
  }
done:
  return status;
}

mst_status mst_list_run(mst_store *s, const char *prefix, const char *delimiter, mst_list_fn each, void *arg,
                        mst_cancel *cancel, mst_error *err) {
  const mst_allocator *mem = mst_context_mem(mst_store_context(s));
  listing l = {.store = s, .mem = mem, .prefix = prefix, .delimiter = delimiter, .cancel = cancel};
  l.stop = mst_cancel_new(mst_store_context(s));
  if (l.stop == NULL) return mst_fail_memory(err);
  for (size_t i = 0; i < 2; i++) {
    mst_page_init(&l.pages[i].page, mem);
    pthread_mutex_init(&l.pages[i].lock, NULL);
    mst_cond_init(&l.pages[i].ended);
  }
  mst_status status = list_pages(&l, each, arg, err);
  for (size_t i = 0; i < 2; i++) {
    fetched *f = &l.pages[i];
    mst_cancel_request(l.stop);
    if (f->under_way) (void)wait_for(&l, f, NULL);
    pthread_cond_destroy(&f->ended);
    pthread_mutex_destroy(&f->lock);
    mst_page_free(&f->page);
    mst_free(mem, f->token);
  }
  mst_cancel_unref(l.stop);
  return status;
}
