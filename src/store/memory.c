/* store/memory.c - objects in this process's memory, for tests and for what needs no place: memory://name.
 *
 * Owns: the name spaces, which live as long as the process and are the only state of this module that no context holds;
 * one lock guards them all and is held for short steps only (bytes are copied outside). They are allocated without a
 * context's allocator, because they outlive any context. A child after fork() goes on with a copy of its own. May call:
 * base. */
#include <stdio.h>

#include "store/schemes.h"

typedef struct object {
  _Atomic uint32_t refs;
  mst_pin pin;
  uint8_t data[];
} object;

typedef struct slot {
  char *key;
  object *object;
} slot;

typedef struct part {
  struct part *next; /* by number */
  uint32_t number;
  object *object;
} part;

typedef struct upload {
  struct upload *next;
  uint64_t id;
  part *parts;
} upload;

typedef struct space {
  struct space *next;
  char *name;
  slot *slots; /* in the order of the keys' bytes */
  size_t n, capacity;
  upload *uploads;
} space;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static space *spaces;
static uint64_t last_number;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void hold(void) { pthread_mutex_lock(&lock); }
static void let_go(void) { pthread_mutex_unlock(&lock); }
static void watch_forks(void) { (void)pthread_atfork(hold, let_go, let_go); }

/* ---- objects ----------------------------------------------------------------------------------------------------- */

static void object_unref(object *o) {
  if (o != NULL && atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) == 1) mst_free(NULL, o);
}

static object *object_new(size_t size, const mst_env *env) {
  size_t total;
  object *o = mst_add_size(sizeof *o, size, &total) ? mst_alloc(NULL, total) : NULL;
  if (o == NULL) return NULL;
  o->refs = 1;
  o->pin = (mst_pin){.size = size, .modified_ns = env->now_us(env->self) * 1000};
  return o;
}

/* The lock is held: no two versions ever have the same tag. */
static void give_tag(object *o) {
  (void)snprintf(o->pin.etag, sizeof o->pin.etag, "\"m%llu\"", (unsigned long long)++last_number);
}

/* Index of `key`, or of the first key behind it. */
static size_t find(const space *s, const char *key, bool *there) {
  size_t low = 0;
  size_t high = s->n;
  *there = false;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(s->slots[middle].key, key);
    if (order == 0) {
      *there = true;
      return middle;
    }
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/* A reference of its own, NULL when there is none. */
static object *look_up(space *s, const char *key) {
  bool there;
  hold();
  size_t at = find(s, key, &there);
  object *o = there ? s->slots[at].object : NULL;
  if (o != NULL) atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
  let_go();
  return o;
}

static mst_status not_found(const char *key, mst_error *err) {
  return mst_fail(err, MST_E_NOT_FOUND, "there is no object '%.200s'", key);
}

/* ---- one function an operation ----------------------------------------------------------------------------------- */

static mst_status do_head(space *s, mst_op *op, mst_error *err) {
  object *o = look_up(s, op->key);
  if (o == NULL) return not_found(op->key, err);
  op->info = o->pin;
  object_unref(o);
  return MST_OK;
}

static mst_status copy_range(const object *o, mst_op *op, mst_error *err) {
  uint64_t offset = op->offset;
  uint64_t size = o->pin.size;
  if (op->from_end) offset = size - mst_min_u64(size, op->size);
  uint64_t n = offset >= size ? 0 : mst_min_u64(op->size, size - offset);
  if (op->pin != NULL) {
    mst_status status = mst_pin_check(op->pin, &o->pin, err);
    if (status != MST_OK) return status;
  }
  if (op->exact && n < op->size)
    return mst_fail_at(err, MST_E_CORRUPT, size, "the object ends at byte %llu, before %llu bytes at %llu",
                       (unsigned long long)size, (unsigned long long)op->size, (unsigned long long)offset);
  if (n > 0) memcpy(op->into, o->data + offset, (size_t)n);
  op->got = n;
  op->info = o->pin;
  return MST_OK;
}

static mst_status do_get(space *s, mst_op *op, mst_error *err) {
  object *o = look_up(s, op->key);
  if (o == NULL) return not_found(op->key, err);
  mst_status status = copy_range(o, op, err);
  object_unref(o);
  return status;
}

/* The lock is held. */
static mst_status may_put(const mst_op *op, const object *there, mst_error *err) {
  if (op->put_mode == MST_PUT_CREATE && there != NULL)
    return mst_fail(err, MST_E_EXISTS, "there is an object '%.200s' already", op->key);
  if (op->put_mode != MST_PUT_IF_MATCH) return MST_OK;
  if (there == NULL) return mst_fail(err, MST_E_CONFLICT, "the object '%.200s' is gone", op->key);
  if (strcmp(op->pin->etag, there->pin.etag) == 0) return MST_OK;
  return mst_fail(err, MST_E_CONFLICT, "the object '%.200s' is now %s, not %s", op->key, there->pin.etag,
                  op->pin->etag);
}

/* The lock is held. Takes the object over. */
static mst_status insert(space *s, size_t at, const char *key, object *o, mst_error *err) {
  char *name = mst_text_copy(NULL, key);
  if (name == NULL) return mst_fail_memory(err);
  if (s->n == s->capacity) {
    size_t capacity = s->capacity == 0 ? 16 : s->capacity * 2;
    slot *slots = mst_resize(NULL, s->slots, capacity * sizeof *slots);
    if (slots == NULL) {
      mst_free(NULL, name);
      return mst_fail_memory(err);
    }
    s->slots = slots;
    s->capacity = capacity;
  }
  memmove(s->slots + at + 1, s->slots + at, (s->n - at) * sizeof *s->slots);
  s->slots[at] = (slot){.key = name, .object = o};
  s->n++;
  return MST_OK;
}

/* Makes `o` the object of op->key; on success it is taken over. */
static mst_status publish(space *s, mst_op *op, object *o, mst_error *err) {
  bool there;
  object *old = NULL;
  hold();
  size_t at = find(s, op->key, &there);
  mst_status status = may_put(op, there ? s->slots[at].object : NULL, err);
  if (status == MST_OK) {
    give_tag(o);
    op->info = o->pin;
    if (there) {
      old = s->slots[at].object;
      s->slots[at].object = o;
    } else {
      status = insert(s, at, op->key, o, err);
    }
  }
  let_go();
  object_unref(old);
  return status;
}

static mst_status do_put(space *s, mst_op *op, mst_error *err) {
  object *o = object_new(op->n_data, mst_context_env(op->ctx));
  if (o == NULL) return mst_fail_memory(err);
  if (op->n_data > 0) memcpy(o->data, op->data, op->n_data);
  mst_status status = publish(s, op, o, err);
  if (status != MST_OK) object_unref(o);
  return status;
}

static mst_status do_delete(space *s, mst_op *op) {
  hold();
  for (size_t i = 0; i < op->n_keys; i++) {
    bool there;
    size_t at = find(s, op->keys[i], &there);
    if (!there) continue;
    mst_free(NULL, s->slots[at].key);
    object_unref(s->slots[at].object);
    s->n--;
    memmove(s->slots + at, s->slots + at + 1, (s->n - at) * sizeof *s->slots);
  }
  let_go();
  return MST_OK;
}

/* ---- listings: the token is "k" or "p" and the last key or common prefix that was given -------------------------- */

static bool begins_with(const char *text, const char *head, size_t n) { return strncmp(text, head, n) == 0; }

static size_t list_from(const space *s, const mst_op *op) {
  bool there;
  size_t at = find(s, op->prefix, &there);
  if (op->start_after != NULL && strcmp(op->start_after, op->prefix) >= 0)
    at = find(s, op->start_after, &there) + there;
  if (op->token == NULL) return at;
  const char *last = op->token + 1;
  at = find(s, last, &there);
  if (op->token[0] == 'k') return at + there;
  size_t n = strlen(last);
  while (at < s->n && begins_with(s->slots[at].key, last, n)) at++;
  return at;
}

static size_t folded_length(const char *key, const mst_op *op, size_t n_prefix) {
  if (op->delimiter == NULL) return 0;
  const char *cut = strstr(key + n_prefix, op->delimiter);
  return cut == NULL ? 0 : (size_t)(cut - key) + strlen(op->delimiter);
}

static mst_status end_page(mst_op *op, const char *last, size_t n_last, bool is_prefix, mst_error *err) {
  mst_buf token;
  mst_buf_init(&token, mst_context_mem(op->ctx), 1 << 20);
  mst_status status = mst_buf_printf(&token, err, "%c%.*s", is_prefix ? 'p' : 'k', (int)n_last, last);
  if (status == MST_OK) status = mst_page_end(op->page, mst_buf_text(&token), err);
  mst_buf_free(&token);
  return status;
}

static mst_status list_locked(const space *s, mst_op *op, mst_error *err) {
  size_t n_prefix = strlen(op->prefix);
  uint32_t left = op->page_max == 0 ? 1000 : op->page_max;
  size_t at = list_from(s, op);
  const char *last = NULL;
  size_t n_last = 0;
  bool last_is_prefix = false;
  while (at < s->n && begins_with(s->slots[at].key, op->prefix, n_prefix)) {
    if (left-- == 0) return end_page(op, last, n_last, last_is_prefix, err);
    const slot *e = &s->slots[at];
    const mst_pin *pin = &e->object->pin;
    size_t n = folded_length(e->key, op, n_prefix);
    last = e->key;
    last_is_prefix = n > 0;
    n_last = n > 0 ? n : strlen(e->key);
    mst_status status = n > 0
                            ? mst_page_add(op->page, last, n, 0, 0, NULL, true, err)
                            : mst_page_add(op->page, last, n_last, pin->size, pin->modified_ns, pin->etag, false, err);
    if (status != MST_OK) return status;
    at++;
    while (n > 0 && at < s->n && begins_with(s->slots[at].key, last, n)) at++;
  }
  return mst_page_end(op->page, NULL, err);
}

static mst_status do_list(space *s, mst_op *op, mst_error *err) {
  if (op->token != NULL && op->token[0] != 'k' && op->token[0] != 'p')
    return mst_fail(err, MST_E_ARGUMENT, "the listing's token is not one of this store");
  hold();
  mst_status status = list_locked(s, op, err);
  let_go();
  return status;
}

/* ---- uploads in parts -------------------------------------------------------------------------------------------- */

static mst_status do_upload_open(space *s, mst_op *op, mst_error *err) {
  upload *u = mst_alloc_zero(NULL, 1, sizeof *u);
  if (u == NULL) return mst_fail_memory(err);
  hold();
  u->id = ++last_number;
  u->next = s->uploads;
  s->uploads = u;
  let_go();
  (void)snprintf(op->upload_id, sizeof op->upload_id, "%llu", (unsigned long long)u->id);
  return MST_OK;
}

/* The lock is held. The link that points to the upload, NULL when there is none. */
static upload **find_upload(space *s, const char *id) {
  for (upload **link = &s->uploads; *link != NULL; link = &(*link)->next) {
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(*link)->id);
    if (id != NULL && strcmp(text, id) == 0) return link;
  }
  return NULL;
}

static mst_status no_upload(const mst_op *op, mst_error *err) {
  return mst_fail(err, MST_E_NOT_FOUND, "there is no upload of '%.200s' under way with this id", op->key);
}

static void free_parts(part *p) {
  while (p != NULL) {
    part *next = p->next;
    object_unref(p->object);
    mst_free(NULL, p);
    p = next;
  }
}

/* The lock is held. A part that is there already is replaced. */
static void add_part(upload *u, part *fresh) {
  part **link = &u->parts;
  while (*link != NULL && (*link)->number < fresh->number) link = &(*link)->next;
  part *old = *link;
  if (old != NULL && old->number == fresh->number) {
    fresh->next = old->next;
    old->next = NULL;
    free_parts(old);
  } else {
    fresh->next = old;
  }
  *link = fresh;
}

static mst_status do_upload_part(space *s, mst_op *op, mst_error *err) {
  part *p = mst_alloc_zero(NULL, 1, sizeof *p);
  object *o = object_new(op->n_data, mst_context_env(op->ctx));
  if (p == NULL || o == NULL) {
    mst_free(NULL, p);
    object_unref(o);
    return mst_fail_memory(err);
  }
  if (op->n_data > 0) memcpy(o->data, op->data, op->n_data);
  p->number = op->part;
  p->object = o;
  hold();
  upload **link = find_upload(s, op->upload);
  if (link != NULL) {
    give_tag(o);
    memcpy(op->part_tag, o->pin.etag, sizeof op->part_tag);
    add_part(*link, p);
  }
  let_go();
  if (link != NULL) return MST_OK;
  free_parts(p);
  return no_upload(op, err);
}

static mst_status do_upload_abort(space *s, mst_op *op) {
  hold();
  upload **link = find_upload(s, op->upload);
  upload *u = link != NULL ? *link : NULL;
  if (u != NULL) *link = u->next;
  let_go();
  if (u == NULL) return MST_OK;
  free_parts(u->parts);
  mst_free(NULL, u);
  return MST_OK;
}

/* The lock is held. Joins the parts that are named into one object. */
static mst_status join_parts(const upload *u, const mst_op *op, object **out, mst_error *err) {
  size_t total = 0;
  const part *p = u->parts;
  for (size_t i = 0; i < op->n_parts; i++, p = p->next) {
    if (p == NULL || p->number != i + 1 || strcmp(p->object->pin.etag, op->part_tags[i]) != 0)
      return mst_fail(err, MST_E_ARGUMENT, "part %zu of the upload of '%.200s' is not there", i + 1, op->key);
    if (!mst_add_size(total, (size_t)p->object->pin.size, &total)) return mst_fail_memory(err);
  }
  object *o = object_new(total, mst_context_env(op->ctx));
  if (o == NULL) return mst_fail_memory(err);
  uint8_t *to = o->data;
  p = u->parts;
  for (size_t i = 0; i < op->n_parts; i++, p = p->next) {
    memcpy(to, p->object->data, (size_t)p->object->pin.size);
    to += p->object->pin.size;
  }
  *out = o;
  return MST_OK;
}

static mst_status do_upload_close(space *s, mst_op *op, mst_error *err) {
  object *o = NULL;
  hold();
  upload **link = find_upload(s, op->upload);
  mst_status status = link == NULL ? no_upload(op, err) : join_parts(*link, op, &o, err);
  let_go();
  if (status == MST_OK) status = publish(s, op, o, err);
  if (status == MST_OK) return do_upload_abort(s, op);
  object_unref(o);
  return status;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

static mst_status memory_run(void *self, mst_op *op, mst_error *err) {
  space *s = self;
  switch (op->kind) {
  case MST_OP_HEAD: return do_head(s, op, err);
  case MST_OP_GET: return do_get(s, op, err);
  case MST_OP_PUT: return do_put(s, op, err);
  case MST_OP_DELETE: return do_delete(s, op);
  case MST_OP_LIST: return do_list(s, op, err);
  case MST_OP_UPLOAD_OPEN: return do_upload_open(s, op, err);
  case MST_OP_UPLOAD_PART: return do_upload_part(s, op, err);
  case MST_OP_UPLOAD_CLOSE: return do_upload_close(s, op, err);
  case MST_OP_UPLOAD_ABORT: return do_upload_abort(s, op);
  case MST_OP_KINDS: break;
  }
  return mst_fail(err, MST_E_UNSUPPORTED, "the memory store has no operation %d", (int)op->kind);
}

/* A copy in memory is shorter than the way to another thread. */
static void memory_start(void *self, mst_op *op) { mst_op_done(op, memory_run(self, op, &op->error)); }

static mst_status find_space(const char *name, space **out, mst_error *err) {
  mst_status status = MST_OK;
  (void)pthread_once(&fork_once, watch_forks);
  hold();
  space *s = spaces;
  while (s != NULL && strcmp(s->name, name) != 0) s = s->next;
  if (s == NULL) {
    s = mst_alloc_zero(NULL, 1, sizeof *s);
    char *copy = mst_text_copy(NULL, name);
    if (s == NULL || copy == NULL) {
      mst_free(NULL, s);
      mst_free(NULL, copy);
      s = NULL;
      status = mst_fail_memory(err);
    } else {
      s->name = copy;
      s->next = spaces;
      spaces = s;
    }
  }
  let_go();
  *out = s;
  return status;
}

mst_status mst_memory_open(mst_context *ctx, const mst_url *url, const mst_settings *settings, mst_store **out,
                           mst_error *err) {
  static const mst_store_ops ops = {
      .struct_size = sizeof ops, .name = "memory", .flags = MST_STORE_LOCAL, .start = memory_start, .run = memory_run};
  char name[512];
  space *s = NULL;
  (void)settings;
  if (snprintf(name, sizeof name, "memory://%s", url->host) >= (int)sizeof name)
    return mst_fail(err, MST_E_ARGUMENT, "the memory store's name is longer than 500 bytes");
  mst_status status = find_space(url->host, &s, err);
  return status == MST_OK ? mst_store_wrap(ctx, &ops, s, name, out, err) : status;
}
