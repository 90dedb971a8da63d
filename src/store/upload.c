/* store/upload.c - one object from a stream of bytes, in bounded memory: what fits into one part becomes one PUT, the
 * rest goes out in parts, several in flight, while more is written.
 *
 * Owns: the buffers of parts, drawn from the context's budget: when there is no room, the writer waits for a part of
 * its own before it asks for more. May call: base, store.c. */
#include "store/store.h"

enum { PARTS_IN_FLIGHT = 8, PARTS_MAX = 10000, PARTS_OF_A_SIZE = 1000 };
static const size_t part_first = 8u << 20; /* S3 takes no less than 5 MiB */
static const size_t part_least = 5u << 20;
static const size_t part_local = 2u << 20; /* a folder takes any size */
static const size_t part_most = 512u << 20;

typedef struct part {
  mst_op op;
  struct part *next; /* of those that are free */
  struct mst_upload *upload;
  uint8_t *data;
  size_t capacity, n;
  uint64_t budget;
} part;

struct mst_upload {
  mst_store *store;
  mst_context *ctx;
  const mst_allocator *mem;
  char *key;
  mst_cancel *cancel; /* the caller's */
  mst_cancel *stop;   /* ours, for all parts */
  char *id;           /* NULL until the second part begins */
  part *filling;
  uint64_t size; /* handed over to parts so far */
  char **tags;
  size_t n_parts, tags_capacity;
  bool finished;
  uint64_t generation;  /* of processes: parts that a parent sent never end in its child */
  pthread_mutex_t lock; /* guards what follows */
  pthread_cond_t ended;
  part *flying[PARTS_IN_FLIGHT];
  uint32_t in_flight;
  part *idle;        /* ended, their memory may be used again */
  mst_status status; /* the first failure */
  mst_error error;
};

mst_status mst_upload_begin(mst_store *s, const char *key, mst_cancel *cancel, mst_upload **out, mst_error *err) {
  mst_status status = MST_OK;
  mst_context *ctx = mst_store_context(s);
  const mst_allocator *mem = mst_context_mem(ctx);
  mst_upload *u = mst_alloc_zero(mem, 1, sizeof *u);
  if (u == NULL) return mst_fail_memory(err);
  u->store = mst_store_ref(s);
  u->ctx = ctx;
  u->mem = mem;
  u->generation = mst_fork_generation();
  pthread_mutex_init(&u->lock, NULL);
  mst_cond_init(&u->ended);
  u->cancel = mst_cancel_ref(cancel);
  u->key = mst_text_copy(mem, key);
  MST_TRY_ALLOC(u->key);
  u->stop = mst_cancel_new(ctx);
  MST_TRY_ALLOC(u->stop);
  *out = u;
  u = NULL;
done:
  mst_upload_end(u);
  return status;
}

static bool is_foreign(const mst_upload *u) { return u->generation != mst_fork_generation(); }

static mst_status fail_foreign(mst_error *err) {
  return mst_fail(err, MST_E_CANCELLED, "the upload was begun before fork(); begin it anew in the child");
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static void part_free(mst_upload *u, part *p) {
  if (p == NULL) return;
  mst_free(u->mem, p->data);
  mst_budget_give(u->ctx, p->budget);
  mst_free(u->mem, p);
}

/* Parts grow with their number, so that 10,000 of them hold any object. */
static size_t part_size(const mst_upload *u) {
  size_t size = part_first;
  if ((mst_store_flags(u->store) & MST_STORE_LOCAL) != 0) size = part_local;
  else if (mst_context_memory_max(u->ctx) / 4 < size) size = part_least;
  for (size_t n = PARTS_OF_A_SIZE; n <= u->n_parts && size < part_most; n += PARTS_OF_A_SIZE) size *= 2;
  return size;
}

static void part_done(mst_op *op, mst_status status) {
  part *p = op->done_arg;
  mst_upload *u = p->upload;
  pthread_mutex_lock(&u->lock);
  for (size_t i = 0; i < PARTS_IN_FLIGHT; i++)
    if (u->flying[i] == p) u->flying[i] = NULL;
  u->in_flight--;
  p->next = u->idle;
  u->idle = p;
  if (status != MST_OK && u->status == MST_OK) {
    mst_store_name_error(u->store, op, &op->error);
    u->status = status;
    u->error = op->error;
    mst_cancel_request(u->stop);
  }
  pthread_cond_signal(&u->ended);
  pthread_mutex_unlock(&u->lock);
}

/* The lock is held on entry and on return. */
static void stop_all(mst_upload *u) {
  mst_cancel_request(u->stop);
  for (size_t i = 0; i < PARTS_IN_FLIGHT; i++) {
    part *p = u->flying[i];
    if (p == NULL) continue;
    /* it cannot be used again before this thread, the only one that starts parts, lets it */
    pthread_mutex_unlock(&u->lock);
    mst_store_cancel(u->store, &p->op);
    pthread_mutex_lock(&u->lock);
  }
}

/* Keeps the tags of parts that have ended; the lock is held. */
static mst_status take_tags(mst_upload *u, mst_error *err) {
  for (part *p = u->idle; p != NULL; p = p->next) {
    if (p->op.part == 0 || p->op.part_tag[0] == '\0') continue;
    char *tag = mst_text_copy(u->mem, p->op.part_tag);
    if (tag == NULL) return mst_fail_memory(err);
    u->tags[p->op.part - 1] = tag;
    p->op.part_tag[0] = '\0';
  }
  return MST_OK;
}

/* Waits until at most `left` parts are in flight. */
static mst_status wait_left(mst_upload *u, uint32_t left, mst_error *err) {
  bool stopped = false;
  pthread_mutex_lock(&u->lock);
  while (u->in_flight > (u->status != MST_OK ? 0 : left)) {
    if (u->status == MST_OK && mst_cancelled(u->cancel))
      u->status = mst_fail(&u->error, MST_E_CANCELLED, "cancelled on request");
    if (u->status != MST_OK && !stopped) {
      stopped = true;
      stop_all(u);
      continue;
    }
    mst_cond_wait_short(&u->ended, &u->lock);
  }
  mst_status status = u->status;
  if (status != MST_OK && err != NULL) *err = u->error;
  if (status == MST_OK) status = take_tags(u, err);
  pthread_mutex_unlock(&u->lock);
  return status;
}

static mst_status take_idle(mst_upload *u, part **out, mst_error *err) {
  pthread_mutex_lock(&u->lock);
  mst_status status = take_tags(u, err);
  *out = status == MST_OK ? u->idle : NULL;
  if (*out != NULL) u->idle = (*out)->next;
  pthread_mutex_unlock(&u->lock);
  return status;
}

static uint32_t count_in_flight(mst_upload *u) {
  pthread_mutex_lock(&u->lock);
  uint32_t n = u->in_flight;
  pthread_mutex_unlock(&u->lock);
  return n;
}

static mst_status part_new(mst_upload *u, size_t size, uint64_t budget, part **out, mst_error *err) {
  part *p = mst_alloc_zero(u->mem, 1, sizeof *p);
  uint8_t *data = p == NULL ? NULL : mst_alloc(u->mem, size);
  if (data == NULL) {
    mst_free(u->mem, p);
    mst_budget_give(u->ctx, budget);
    return mst_fail_memory(err);
  }
  mst_expect_whole(data, size);
  *p = (part){.upload = u, .data = data, .capacity = size, .budget = budget};
  *out = p;
  return MST_OK;
}

/* A part to fill: a used one, a new one where the budget has room, else the next of ours that ends. */
static mst_status take_part(mst_upload *u, mst_error *err) {
  mst_status status = MST_OK;
  size_t size = part_size(u);
  for (;;) {
    MST_TRY(wait_left(u, PARTS_IN_FLIGHT - 1, err));
    part *p = NULL;
    MST_TRY(take_idle(u, &p, err));
    if (p != NULL && p->capacity >= size) {
      p->n = 0;
      u->filling = p;
      return MST_OK;
    }
    part_free(u, p);
    if (p != NULL) continue;
    if (mst_budget_try(u->ctx, size)) break;
    uint32_t in_flight = count_in_flight(u);
    if (in_flight > 0) {
      MST_TRY(wait_left(u, in_flight - 1, err));
      continue;
    }
    MST_TRY(mst_budget_take(u->ctx, size, u->cancel, err));
    break;
  }
  MST_TRY(part_new(u, size, size, &u->filling, err));
done:
  return status;
}

static mst_status open_upload(mst_upload *u, mst_error *err) {
  mst_op op = mst_op_make(MST_OP_UPLOAD_OPEN, u->key);
  op.cancel = u->cancel;
  mst_status status = mst_store_perform(u->store, &op, err);
  if (status != MST_OK) return status;
  u->id = mst_text_copy(u->mem, op.upload_id);
  if (u->id != NULL) return MST_OK;
  /* it is open and nothing will remember it */
  mst_op abort_op = mst_op_make(MST_OP_UPLOAD_ABORT, u->key);
  abort_op.upload = op.upload_id;
  (void)mst_store_perform(u->store, &abort_op, NULL);
  return mst_fail_memory(err);
}

static mst_status room_for_tag(mst_upload *u, mst_error *err) {
  if (u->n_parts == PARTS_MAX) return mst_fail(err, MST_E_LIMIT, "the object needs more than %d parts", PARTS_MAX);
  if (u->n_parts < u->tags_capacity) return MST_OK;
  size_t capacity = u->tags_capacity == 0 ? 16 : u->tags_capacity * 2;
  char **tags = mst_resize(u->mem, u->tags, capacity * sizeof *tags);
  if (tags == NULL) return mst_fail_memory(err);
  memset(tags + u->tags_capacity, 0, (capacity - u->tags_capacity) * sizeof *tags);
  u->tags = tags;
  u->tags_capacity = capacity;
  return MST_OK;
}

static mst_status send_part(mst_upload *u, mst_error *err) {
  mst_status status = MST_OK;
  if (u->id == NULL) MST_TRY(open_upload(u, err));
  MST_TRY(room_for_tag(u, err));
  part *p = u->filling;
  u->filling = NULL;
  p->op = mst_op_make(MST_OP_UPLOAD_PART, u->key);
  p->op.upload = u->id;
  p->op.part = (uint32_t)++u->n_parts;
  p->op.offset = u->size;
  p->op.data = p->data;
  p->op.n_data = p->n;
  p->op.cancel = u->stop;
  p->op.done = part_done;
  p->op.done_arg = p;
  u->size += p->n;
  pthread_mutex_lock(&u->lock);
  u->in_flight++;
  for (size_t i = 0; i < PARTS_IN_FLIGHT; i++) {
    if (u->flying[i] != NULL) continue;
    u->flying[i] = p;
    break;
  }
  pthread_mutex_unlock(&u->lock);
  mst_store_start(u->store, &p->op);
done:
  return status;
}

mst_status mst_upload_write(mst_upload *u, const void *data, size_t size, mst_error *err) {
  if (is_foreign(u)) return fail_foreign(err);
  mst_status status = mst_cancel_check(u->cancel, err);
  const uint8_t *from = data;
  while (status == MST_OK && size > 0) {
    /* a full part goes out when more comes, so that an object of one part is known to be one */
    if (u->filling != NULL && u->filling->n == u->filling->capacity) MST_TRY(send_part(u, err));
    if (u->filling == NULL) MST_TRY(take_part(u, err));
    size_t n = mst_min_size(size, u->filling->capacity - u->filling->n);
    memcpy(u->filling->data + u->filling->n, from, n);
    u->filling->n += n;
    from += n;
    size -= n;
  }
done:
  return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static mst_status put_whole(mst_upload *u, mst_op *op, mst_error *err) {
  op->kind = MST_OP_PUT;
  op->data = u->filling == NULL ? (const uint8_t *)"" : u->filling->data;
  op->n_data = u->filling == NULL ? 0 : u->filling->n;
  return mst_store_perform(u->store, op, err);
}

static mst_status close_parts(mst_upload *u, mst_op *op, mst_error *err) {
  mst_status status = MST_OK;
  if (u->filling != NULL) MST_TRY(send_part(u, err));
  MST_TRY(wait_left(u, 0, err));
  op->kind = MST_OP_UPLOAD_CLOSE;
  op->upload = u->id;
  op->part_tags = (const char *const *)u->tags;
  op->n_parts = u->n_parts;
  op->size = u->size;
  MST_TRY(mst_store_perform(u->store, op, err));
done:
  return status;
}

mst_status mst_upload_finish(mst_upload *u, mst_put_mode mode, const mst_pin *pin, mst_pin *info, mst_error *err) {
  if (is_foreign(u)) return fail_foreign(err);
  if (u->finished) return mst_fail(err, MST_E_ARGUMENT, "the upload of '%.200s' is closed already", u->key);
  mst_op op = mst_op_make(MST_OP_PUT, u->key);
  op.put_mode = mode;
  op.pin = pin;
  op.cancel = u->cancel;
  mst_status status = u->id == NULL ? put_whole(u, &op, err) : close_parts(u, &op, err);
  if (status != MST_OK) return status;
  u->finished = true;
  if (info != NULL) *info = op.info;
  return MST_OK;
}

/* In a child after fork() it is left as it is: the parent is still at it. */
void mst_upload_end(mst_upload *u) {
  if (u == NULL || is_foreign(u)) return;
  mst_store *store = u->store;
  if (u->stop != NULL && count_in_flight(u) > 0) {
    pthread_mutex_lock(&u->lock);
    if (u->status == MST_OK) u->status = mst_fail(&u->error, MST_E_CANCELLED, "the upload was given up");
    pthread_mutex_unlock(&u->lock);
    (void)wait_left(u, 0, NULL);
  }
  if (u->id != NULL && !u->finished) {
    mst_op op = mst_op_make(MST_OP_UPLOAD_ABORT, u->key);
    op.upload = u->id;
    (void)mst_store_perform(store, &op, NULL);
  }
  part_free(u, u->filling);
  while (u->idle != NULL) {
    part *next = u->idle->next;
    part_free(u, u->idle);
    u->idle = next;
  }
  for (size_t i = 0; i < u->tags_capacity; i++) mst_free(u->mem, u->tags[i]);
  mst_free(u->mem, u->tags);
  mst_free(u->mem, u->id);
  mst_free(u->mem, u->key);
  mst_cancel_unref(u->cancel);
  mst_cancel_unref(u->stop);
  pthread_cond_destroy(&u->ended);
  pthread_mutex_destroy(&u->lock);
  mst_free(u->mem, u);
  mst_store_unref(store);
}
