/* meseta/context.h - threads, memory budget, clock, randomness, log: the only state that calls share. */
#ifndef MESETA_CONTEXT_H
#define MESETA_CONTEXT_H

#include <meseta/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One function allocates, grows and frees: old == NULL allocates, size == 0 frees and returns NULL.
 * Must be thread-safe; returns memory aligned as malloc's, or NULL when there is none. */
typedef struct mst_allocator {
  size_t struct_size;
  void *self;
  void *(*resize)(void *self, void *old, size_t size);
} mst_allocator;

/* The world outside, so that tests can run in virtual time and repeat a run by its seed. All must be thread-safe. */
typedef struct mst_env {
  size_t struct_size;
  void *self;
  int64_t (*now_us)(void *self);                      /* wall clock, microseconds since 1970-01-01 UTC */
  int64_t (*tick_us)(void *self);                     /* monotonic clock, microseconds                  */
  void (*sleep_us)(void *self, int64_t us);
  uint64_t (*random)(void *self);
  const char *(*getenv)(void *self, const char *name); /* borrowed until the environment changes        */
} mst_env;

typedef struct mst_context mst_context; /* shared: immutable after opening, safe in many threads at once */
typedef struct mst_cancel mst_cancel;   /* shared: a flag that long calls look at                        */

typedef enum mst_log_level { MST_LOG_ERROR = 0, MST_LOG_WARNING = 1, MST_LOG_INFO = 2, MST_LOG_DEBUG = 3 } mst_log_level;
typedef void (*mst_log_fn)(void *log_arg, mst_log_level level, const char *area, const char *text);

typedef struct mst_context_options {
  size_t struct_size;             /* set by MST_CONTEXT_OPTIONS_INIT                                            */
  uint64_t memory_bytes_max;      /* buffers, caches and decoder state together; 0: MESETA_MEMORY, else 64 MiB  */
  uint64_t record_bytes_max;      /* one record or page beyond the budget is admitted alone up to here; 0: 1 GiB */
  const mst_allocator *allocator; /* copied; NULL: malloc                                                       */
  const mst_env *env;             /* copied; NULL: the process's own                                            */
  mst_log_fn log;                 /* called from any thread; NULL: nothing is logged                            */
  void *log_arg;
  uint32_t cpu_threads;           /* 0: MESETA_THREADS, else the cores this process may use; 1: deterministic    */
  uint32_t requests_max;          /* requests in flight; 0: 32                                                  */
} mst_context_options;
#define MST_CONTEXT_OPTIONS_INIT {.struct_size = sizeof(mst_context_options)}

MST_API mst_status mst_context_open(const mst_context_options *options, mst_context **out, mst_error *err);
MST_API mst_context *mst_context_ref(mst_context *ctx);
MST_API void mst_context_unref(mst_context *ctx);

/* NULL when there is no memory. A context argument of NULL means the process's default context. */
MST_API mst_cancel *mst_cancel_new(mst_context *ctx);
MST_API mst_cancel *mst_cancel_ref(mst_cancel *cancel);
/* Async-signal-safe. The calls that were given `cancel` return MST_E_CANCELLED within 100 ms. */
MST_API void mst_cancel_request(mst_cancel *cancel);
MST_API void mst_cancel_unref(mst_cancel *cancel);

#ifdef __cplusplus
}
#endif
#endif
