/* format/records_inspect.c - the first look at a text-like object: its container, and the dialect from its first plain
 * bytes.
 *
 * Owns: the container and the plain bytes so far. May call: base, containers. */
#include "format/records_piece.h"

enum { HEAD_BYTES = 64 << 10, MORE_BYTES = 1 << 20, PLAIN_MAX = 64 << 20 };

typedef struct inspect {
  mst_machine machine;
  const mst_job *job;
  const mst_record_ops *ops;
  const mst_container_ops *container_ops;
  mst_container *container;
  mst_bytes input;
  mst_range need;
  uint64_t fed, want; /* want: plain bytes that sniffing needs */
  mst_buf plain;
  bool whole; /* the plain bytes are all there are     */
  json_t *dialect;
} inspect;

static mst_status ask(inspect *n, mst_step *out) {
  const uint64_t size = n->job->members[0].size;
  n->need = (mst_range){.offset = n->fed, .length = mst_min_u64(size - n->fed, n->fed == 0 ? HEAD_BYTES : MORE_BYTES)};
  out->kind = MST_STEP_NEED;
  out->some = n->fed > 0;
  out->need = &n->need;
  out->n_need = 1;
  return MST_OK;
}

/* A name that promises a container must not hold something else: that is what a failed download looks like. */
static mst_status check_name(const inspect *n, mst_error *err) {
  static const char *const gzip[] = {".gz", ".bgz", ".bgzf"}, *const zstd[] = {".zst", ".zstd"};
  const char *name = n->job->members[0].name, *promised = NULL, *found = n->container_ops->name;
  for (size_t i = 0; i < 3; i++)
    if (mst_text_ends_nocase(name, gzip[i])) promised = "gzip";
  for (size_t i = 0; i < 2; i++)
    if (mst_text_ends_nocase(name, zstd[i])) promised = "zstd";
  if (promised == NULL || mst_text_equal(found, promised) ||
      (mst_text_equal(promised, "gzip") && mst_text_equal(found, "bgzf")))
    return MST_OK;
  return mst_fail_at(err, MST_E_CORRUPT, 0, "its name promises %s, but %s", promised,
                     n->job->members[0].size == 0     ? "it is empty"
                     : mst_text_equal(found, "plain") ? "its first bytes are not compressed"
                                                      : "its first bytes are those of another container");
}

static mst_status open_as(inspect *n, mst_error *err) {
  const mst_container_open options = {.mem = n->job->mem,
                                      .name = n->job->name,
                                      .end = n->job->members[0].size,
                                      .size = n->job->members[0].size,
                                      .plain_end = UINT64_MAX,
                                      .recover = n->job->recover,
                                      .memory = n->job->memory};
  return n->container_ops->open(&options, &n->container, err);
}

/* Blocks of BGZF with ordinary members of gzip behind them are gzip: everything once more from the beginning. */
static mst_status turn_to_gzip(inspect *n, mst_error *err) {
  n->container_ops->close(n->container);
  n->container = NULL;
  mst_buf_clear(&n->plain);
  mst_bytes_release(&n->input);
  n->fed = 0;
  n->container_ops = &mst_container_gzip;
  return open_as(n, err);
}

static mst_status open_container(inspect *n, mst_error *err) {
  n->container_ops = mst_container_detect(n->input.data, n->input.size);
  const mst_status status = check_name(n, err);
  return status == MST_OK ? open_as(n, err) : status;
}

/* Takes plain bytes until there are as many as wanted, or the container wants more. */
static mst_status decode(inspect *n, mst_error *err) {
  mst_status status = MST_OK;
  while (n->plain.size < n->want && !n->whole) {
    mst_container_state state;
    mst_run run;
    MST_TRY(n->container_ops->next(n->container, &state, &run, err));
    if (state == MST_CONTAINER_INPUT) return MST_OK;
    if (state == MST_CONTAINER_END) n->whole = true;
    else MST_TRY(mst_buf_put(&n->plain, run.data, (size_t)mst_min_u64(run.size, PLAIN_MAX - n->plain.size), err));
  }
done:
  return status;
}

/* Damage counts only when more is needed than what lies in front of it: it is the scan that must find it. */
static mst_status sniff(inspect *n, mst_error *err) {
  mst_error damage = {0};
  const mst_status decoded = n->whole ? MST_OK : decode(n, &damage);
  const bool starved = n->plain.size < n->want && !n->whole;
  uint64_t want = 0;
  mst_status status;
  if (decoded == MST_E_UNSUPPORTED && n->container_ops == &mst_container_bgzf) return turn_to_gzip(n, err);
  if (decoded != MST_OK && decoded != MST_E_CORRUPT) goto damaged;
  if (decoded == MST_OK && starved && n->fed < n->job->members[0].size) return MST_OK;
  if (decoded != MST_OK && n->plain.size == 0) goto damaged;
  status =
      n->ops->sniff(n->job, (const uint8_t *)mst_buf_text(&n->plain), n->plain.size, n->whole, &n->dialect, &want, err);
  if (status != MST_OK || n->dialect != NULL) return status;
  if (decoded != MST_OK) goto damaged;
  if (n->whole || want <= n->want) want = n->want * 2;
  if (n->whole || want > PLAIN_MAX)
    return mst_fail(err, MST_E_LIMIT, "the header of %s is larger than %u bytes", n->job->name, (unsigned)PLAIN_MAX);
  n->want = want;
  return sniff(n, err);
damaged:
  if (err != NULL) *err = damage;
  return decoded;
}

static mst_status make_facts(inspect *n, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  bool serial = false;
  uint64_t header = 0;
  json_t *facts = json_object();
  MST_TRY_ALLOC(facts);
  MST_TRY(mst_json_get_bool(n->dialect, "serial", "dialect", &serial, err));
  MST_TRY(mst_json_get_u64(n->dialect, "header_bytes", "dialect", &header, err));
  MST_TRY(mst_json_set_text(facts, "container", n->container_ops->name, err));
  MST_TRY(mst_json_set(facts, "pieces", json_boolean(n->container_ops->pieces && !serial && !n->job->recover), err));
  MST_TRY(mst_json_set_u64(facts, "header_bytes", header, err));
  MST_TRY(mst_json_set(facts, "dialect", json_incref(n->dialect), err));
  *out = facts;
  facts = NULL;
done:
  json_decref(facts);
  return status;
}

static mst_status take_input(inspect *n, const mst_given *given, mst_error *err) {
  if (given->n != 1 || given->bytes[0].size == 0 || given->bytes[0].size > n->need.length)
    return mst_fail(err, MST_E_INTERNAL, "other bytes were given than asked for");
  mst_bytes_release(&n->input);
  n->input = mst_bytes_share(&given->bytes[0]);
  n->fed += n->input.size;
  return MST_OK;
}

static mst_status step_inspect(inspect *n, const mst_given *given, mst_step *out, mst_error *err) {
  mst_status status = MST_OK;
  const uint64_t size = n->job->members[0].size;
  if (given == NULL && size > 0) return ask(n, out);
  if (given != NULL) MST_TRY(take_input(n, given, err));
  if (n->container == NULL) MST_TRY(open_container(n, err));
  MST_TRY(n->container_ops->feed(n->container, &n->input, n->fed == size, err));
  MST_TRY(sniff(n, err));
  if (n->dialect == NULL) return ask(n, out);
  out->kind = MST_STEP_DONE;
  MST_TRY(make_facts(n, &out->facts, err));
done:
  return status;
}

static mst_status inspect_step(mst_machine *m, const mst_given *given, mst_step *out, mst_error *err) {
  inspect *n = (inspect *)m;
  return mst_error_name(err, step_inspect(n, given, out, err), n->job->name);
}

static void inspect_close(mst_machine *m) {
  inspect *n = (inspect *)m;
  if (n->container != NULL) n->container_ops->close(n->container);
  mst_bytes_release(&n->input);
  mst_buf_free(&n->plain);
  json_decref(n->dialect);
  mst_free(n->job->mem, n);
}

mst_status mst_records_inspect(const mst_job *job, mst_machine **out, mst_error *err) {
  static const mst_machine_ops ops = {.step = inspect_step, .close = inspect_close};
  const mst_record_ops *records = mst_record_ops_find(job->format->name);
  inspect *n;
  if (records == NULL) return mst_fail(err, MST_E_INTERNAL, "%s is no record format", job->format->name);
  n = mst_alloc_zero(job->mem, 1, sizeof *n);
  if (n == NULL) return mst_fail_memory(err);
  n->machine.ops = &ops;
  n->job = job;
  n->ops = records;
  n->want = HEAD_BYTES;
  mst_buf_init(&n->plain, job->mem, PLAIN_MAX);
  *out = &n->machine;
  return MST_OK;
}

mst_status mst_records_slice_facts(const mst_job *job, json_t **out, mst_error *err) {
  mst_status status = MST_OK;
  const char *key;
  json_t *value, *facts = json_object(), *dialect = json_object();
  MST_TRY_ALLOC(facts);
  MST_TRY_ALLOC(dialect);
  json_object_foreach(json_object_get(job->facts, "dialect"), key, value) {
    if (!mst_text_starts(key, "long_")) MST_TRY(mst_json_set(dialect, key, json_incref(value), err));
  }
  MST_TRY(mst_json_set(facts, "container", json_incref(json_object_get(job->facts, "container")), err));
  MST_TRY(mst_json_set(facts, "dialect", json_incref(dialect), err));
  *out = facts;
  facts = NULL;
done:
  json_decref(facts);
  json_decref(dialect);
  return status;
}
