/* store/wrapper.c - stores over a store: trace counts, fault fails, latency delays, limit holds back. May call: base.
 */
#include "store/wrapper.h"

/* ---- what they share --------------------------------------------------------------------------------------------- */

void mst_wrapper_cancel(void *self, mst_op *op) { mst_store_cancel(((mst_wrapper *)self)->inner, op); }

mst_status mst_wrapper_settings(void *self, mst_setting_fn add, void *arg, mst_error *err) {
  return mst_store_visit_settings(((mst_wrapper *)self)->inner, add, arg, err);
}

void mst_wrapper_close(void *self) {
  mst_wrapper *w = self;
  mst_store *inner = w->inner;
  mst_free(w->mem, w); /* first: the allocator lives in the context that the inner store holds */
  mst_store_unref(inner);
}

mst_frame *mst_frame_enter(mst_wrapper *w, mst_op *op, size_t size, void (*done)(mst_op *op, mst_status status)) {
  mst_frame *f = mst_alloc_zero(w->mem, 1, size);
  if (f == NULL) {
    mst_op_done(op, mst_fail_memory(&op->error));
    return NULL;
  }
  *f = (mst_frame){.done = op->done, .done_arg = op->done_arg, .wrapper = w};
  op->done = done;
  op->done_arg = f;
  return f;
}

void mst_frame_leave(mst_frame *f, mst_op *op) {
  op->done = f->done;
  op->done_arg = f->done_arg;
  mst_free(f->wrapper->mem, f);
}

static mst_status make(mst_store *inner, const mst_store_ops *ops, size_t size, uint32_t flags_off, mst_wrapper **self,
                       mst_store **out, mst_error *err) {
  mst_store_ops mine = *ops;
  const mst_allocator *mem = mst_context_mem(mst_store_context(inner));
  mst_wrapper *w = mst_alloc_zero(mem, 1, size);
  if (w == NULL) return mst_fail_memory(err);
  w->inner = inner;
  w->mem = mem;
  mine.struct_size = sizeof mine;
  mine.flags = mst_store_flags(inner) & ~flags_off;
  mine.cancel = mine.cancel != NULL ? mine.cancel : mst_wrapper_cancel;
  mine.settings = mst_wrapper_settings;
  mine.close = mine.close != NULL ? mine.close : mst_wrapper_close;
  mst_status status = mst_store_wrap(mst_store_context(inner), &mine, w, mst_store_url(inner), out, err);
  if (status != MST_OK) {
    mst_free(mem, w);
    return status;
  }
  mst_store_ref(inner);
  *self = w;
  return MST_OK;
}

/* ---- trace ------------------------------------------------------------------------------------------------------- */

typedef struct trace {
  mst_wrapper wrapper;
  void (*on_op)(void *arg, const mst_op *op, mst_status status);
  void *arg;
  pthread_mutex_t lock;
  uint64_t in_flight;
  mst_trace_counts counts;
} trace;
static const char trace_name[] = "trace";

static void trace_begin(trace *t) {
  pthread_mutex_lock(&t->lock);
  t->in_flight++;
  t->counts.in_flight_max = mst_max_u64(t->counts.in_flight_max, t->in_flight);
  pthread_mutex_unlock(&t->lock);
}

static void trace_end(trace *t, const mst_op *op, mst_status status) {
  pthread_mutex_lock(&t->lock);
  t->in_flight--;
  t->counts.ops[op->kind]++;
  t->counts.requests += op->requests;
  if (op->kind == MST_OP_GET) t->counts.bytes_read += op->got;
  if (op->kind == MST_OP_PUT || op->kind == MST_OP_UPLOAD_PART) t->counts.bytes_written += op->n_data;
  if (status != MST_OK) t->counts.failed++;
  pthread_mutex_unlock(&t->lock);
  if (t->on_op != NULL) t->on_op(t->arg, op, status);
}

static void trace_done(mst_op *op, mst_status status) {
  mst_frame *f = op->done_arg;
  trace *t = (trace *)f->wrapper;
  mst_frame_leave(f, op);
  trace_end(t, op, status);
  mst_op_done(op, status);
}

static void trace_start(void *self, mst_op *op) {
  trace *t = self;
  if (mst_frame_enter(&t->wrapper, op, sizeof(mst_frame), trace_done) == NULL) return;
  trace_begin(t);
  mst_store_start(t->wrapper.inner, op);
}

static mst_status trace_run(void *self, mst_op *op, mst_error *err) {
  trace *t = self;
  trace_begin(t);
  mst_status status = mst_store_perform(t->wrapper.inner, op, err);
  trace_end(t, op, status);
  return status;
}

static void trace_close(void *self) {
  pthread_mutex_destroy(&((trace *)self)->lock);
  mst_wrapper_close(self);
}

mst_status mst_store_trace(mst_store *inner, void (*on_op)(void *arg, const mst_op *op, mst_status status), void *arg,
                           mst_store **out, mst_error *err) {
  static const mst_store_ops ops = {.name = trace_name, .start = trace_start, .run = trace_run, .close = trace_close};
  mst_wrapper *w = NULL;
  mst_status status = make(inner, &ops, sizeof(trace), 0, &w, out, err);
  if (status != MST_OK) return status;
  trace *t = (trace *)w;
  pthread_mutex_init(&t->lock, NULL);
  t->on_op = on_op;
  t->arg = arg;
  return MST_OK;
}

mst_status mst_store_trace_counts(const mst_store *store, mst_trace_counts *out) {
  trace *t = mst_store_self(store, trace_name);
  if (t == NULL) return MST_E_ARGUMENT;
  pthread_mutex_lock(&t->lock);
  *out = t->counts;
  pthread_mutex_unlock(&t->lock);
  return MST_OK;
}

/* ---- fault ------------------------------------------------------------------------------------------------------- */

typedef struct fault {
  mst_wrapper wrapper;
  _Atomic uint64_t seen;
  uint64_t fail_at;
  bool persistent;
  mst_status with;
} fault;
static const char fault_name[] = "fault";

static mst_status fault_decide(fault *f, const mst_op *op, mst_error *err) {
  uint64_t n = atomic_fetch_add_explicit(&f->seen, 1, memory_order_relaxed) + 1;
  if (f->fail_at == 0 || n < f->fail_at || (n > f->fail_at && !f->persistent)) return MST_OK;
  return mst_fail(err, f->with, "%s: failed on purpose, operation %llu", mst_op_name(op->kind), (unsigned long long)n);
}

static void fault_start(void *self, mst_op *op) {
  fault *f = self;
  mst_status status = fault_decide(f, op, &op->error);
  if (status == MST_OK) mst_store_start(f->wrapper.inner, op);
  else mst_op_done(op, status);
}

static mst_status fault_run(void *self, mst_op *op, mst_error *err) {
  fault *f = self;
  mst_status status = fault_decide(f, op, err);
  return status == MST_OK ? mst_store_perform(f->wrapper.inner, op, err) : status;
}

mst_status mst_store_fault(mst_store *inner, uint64_t fail_at, bool persistent, mst_status with, mst_store **out,
                           mst_error *err) {
  static const mst_store_ops ops = {.name = fault_name, .start = fault_start, .run = fault_run};
  mst_wrapper *w = NULL;
  mst_status status = make(inner, &ops, sizeof(fault), 0, &w, out, err);
  if (status != MST_OK) return status;
  fault *f = (fault *)w;
  f->fail_at = fail_at;
  f->persistent = persistent;
  f->with = with;
  return MST_OK;
}

uint64_t mst_store_fault_seen(const mst_store *store) {
  fault *f = mst_store_self(store, fault_name);
  return f == NULL ? 0 : atomic_load_explicit(&f->seen, memory_order_relaxed);
}

/* ---- latency ----------------------------------------------------------------------------------------------------- */

typedef struct latency {
  mst_wrapper wrapper;
  uint64_t us_per_op, ns_per_byte;
} latency;

/* In steps, so that a cancel is seen in time. */
static mst_status sleep_for(const mst_op *op, uint64_t us, mst_error *err) {
  static const uint64_t step = 20000;
  const mst_env *env = mst_context_env(op->ctx);
  while (us > 0) {
    mst_status status = mst_op_check(op, err);
    if (status != MST_OK) return status;
    env->sleep_us(env->self, (int64_t)mst_min_u64(us, step));
    us -= mst_min_u64(us, step);
  }
  return MST_OK;
}

static mst_status latency_run(void *self, mst_op *op, mst_error *err) {
  latency *l = self;
  mst_status status = sleep_for(op, l->us_per_op, err);
  if (status == MST_OK) status = mst_store_perform(l->wrapper.inner, op, err);
  if (status != MST_OK) return status;
  uint64_t ns;
  if (!mst_mul_u64(op->got + op->n_data, l->ns_per_byte, &ns)) return MST_OK;
  return sleep_for(op, ns / 1000, err);
}

/* With `run` alone: waiting is done on the threads for blocking calls. It stands for a far store, so it is not local.
 */
mst_status mst_store_latency(mst_store *inner, uint64_t us_per_op, uint64_t ns_per_byte, mst_store **out,
                             mst_error *err) {
  static const mst_store_ops ops = {.name = "latency", .run = latency_run};
  mst_wrapper *w = NULL;
  mst_status status = make(inner, &ops, sizeof(latency), MST_STORE_LOCAL, &w, out, err);
  if (status != MST_OK) return status;
  ((latency *)w)->us_per_op = us_per_op;
  ((latency *)w)->ns_per_byte = ns_per_byte;
  return MST_OK;
}

/* ---- limit ------------------------------------------------------------------------------------------------------- */

/* Somebody who waits for his turn: a started operation, or (op == NULL) a thread inside `run`. */
typedef struct turn {
  mst_frame frame; /* of `op` only */
  struct turn *next;
  mst_op *op;
  bool granted;
  pthread_cond_t may_go; /* of a thread only */
} turn;

typedef struct limit {
  mst_wrapper wrapper;
  pthread_mutex_t lock;
  turn *first, *last;
  uint32_t in_flight, max;
  bool handing_out; /* a thread is in hand_out; it will see what others change, so they need not recurse */
} limit;

static void queue_up(limit *l, turn *t) {
  t->next = NULL;
  if (l->last != NULL) l->last->next = t;
  else l->first = t;
  l->last = t;
}

static bool leave_queue(limit *l, turn *gone) {
  turn *before = NULL;
  for (turn *t = l->first; t != NULL; before = t, t = t->next) {
    if (t != gone) continue;
    if (before != NULL) before->next = t->next;
    else l->first = t->next;
    if (l->last == t) l->last = before;
    return true;
  }
  return false;
}

/* The lock is held on entry and on return. */
static void hand_out(limit *l) {
  if (l->handing_out) return;
  l->handing_out = true;
  while (l->first != NULL && l->in_flight < l->max) {
    turn *t = l->first;
    (void)leave_queue(l, t);
    l->in_flight++;
    if (t->op == NULL) {
      t->granted = true;
      pthread_cond_signal(&t->may_go);
      continue;
    }
    pthread_mutex_unlock(&l->lock);
    mst_store_start(l->wrapper.inner, t->op);
    pthread_mutex_lock(&l->lock);
  }
  l->handing_out = false;
}

static void give_back(limit *l) {
  pthread_mutex_lock(&l->lock);
  l->in_flight--;
  hand_out(l);
  pthread_mutex_unlock(&l->lock);
}

static void limit_done(mst_op *op, mst_status status) {
  mst_frame *f = op->done_arg;
  limit *l = (limit *)f->wrapper;
  mst_frame_leave(f, op);
  give_back(l);
  mst_op_done(op, status);
}

static void limit_start(void *self, mst_op *op) {
  limit *l = self;
  turn *t = (turn *)mst_frame_enter(&l->wrapper, op, sizeof(turn), limit_done);
  if (t == NULL) return;
  t->op = op;
  pthread_mutex_lock(&l->lock);
  queue_up(l, t);
  hand_out(l);
  pthread_mutex_unlock(&l->lock);
}

static mst_status limit_run(void *self, mst_op *op, mst_error *err) {
  limit *l = self;
  turn t = {.op = NULL};
  mst_cond_init(&t.may_go);
  mst_status status = MST_OK;
  pthread_mutex_lock(&l->lock);
  queue_up(l, &t);
  hand_out(l);
  while (!t.granted && status == MST_OK) {
    mst_cond_wait_short(&t.may_go, &l->lock);
    if (!t.granted) status = mst_op_check(op, err);
  }
  if (!t.granted) (void)leave_queue(l, &t);
  pthread_mutex_unlock(&l->lock);
  pthread_cond_destroy(&t.may_go);
  if (status != MST_OK) return status;
  status = mst_store_perform(l->wrapper.inner, op, err);
  give_back(l);
  return status;
}

/* What still waits never starts; the rest is the inner store's business. */
static void limit_cancel(void *self, mst_op *op) {
  limit *l = self;
  turn *t;
  pthread_mutex_lock(&l->lock);
  for (t = l->first; t != NULL && t->op != op; t = t->next) continue;
  if (t != NULL) (void)leave_queue(l, t);
  pthread_mutex_unlock(&l->lock);
  if (t == NULL) {
    mst_store_cancel(l->wrapper.inner, op);
    return;
  }
  mst_frame_leave(&t->frame, op);
  mst_op_done(op, mst_fail(&op->error, MST_E_CANCELLED, "cancelled on request"));
}

static void limit_close(void *self) {
  pthread_mutex_destroy(&((limit *)self)->lock);
  mst_wrapper_close(self);
}

mst_status mst_store_limit(mst_store *inner, uint32_t in_flight, mst_store **out, mst_error *err) {
  static const mst_store_ops ops = {
      .name = "limit", .start = limit_start, .run = limit_run, .cancel = limit_cancel, .close = limit_close};
  mst_wrapper *w = NULL;
  if (in_flight == 0) return mst_fail(err, MST_E_ARGUMENT, "a limit of no operation at all");
  mst_status status = make(inner, &ops, sizeof(limit), 0, &w, out, err);
  if (status != MST_OK) return status;
  limit *l = (limit *)w;
  pthread_mutex_init(&l->lock, NULL);
  l->max = in_flight;
  return MST_OK;
}
