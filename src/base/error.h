/* base/error.h - how errors are made and how each layer adds, once, what it was doing. */
#ifndef MST_BASE_ERROR_H
#define MST_BASE_ERROR_H

#include <stdarg.h>

#include <meseta/status.h>

/* For our own mistakes only, never for input: aborts in debug builds and fuzzers, vanishes in release builds. */
#ifdef MST_CHECKED
void mst_assert_failed(const char *what, const char *file, int line);
#define mst_assert(condition) ((condition) ? (void)0 : mst_assert_failed(#condition, __FILE__, __LINE__))
#else
#define mst_assert(condition) ((void)sizeof(condition))
#endif

/* Fills `err` (NULL is fine) and returns `status`, so that `return mst_fail(err, …)` reads as one sentence. */
mst_status mst_fail(mst_error *err, mst_status status, const char *format, ...) MST_PRINTF(3, 4);
mst_status mst_fail_v(mst_error *err, mst_status status, const char *format, va_list args) MST_PRINTF(3, 0);
/* The same with the offset in the object where the rule is broken. */
mst_status mst_fail_at(mst_error *err, mst_status status, uint64_t offset, const char *format, ...) MST_PRINTF(4, 5);
mst_status mst_fail_memory(mst_error *err);
/* From errno: ENOENT → NOT_FOUND, EACCES → DENIED, ENOSPC → IO …; the message ends with strerror's text. */
mst_status mst_fail_errno(mst_error *err, int os_errno, const char *format, ...) MST_PRINTF(3, 4);
/* Names the object if none is named yet, cut in the middle when long. `url` must hold no secret. Returns `status`. */
mst_status mst_error_name(mst_error *err, mst_status status, const char *url);
/* Puts "text: " in front of the message. Returns `status`; MST_OK passes through untouched. */
mst_status mst_while(mst_error *err, mst_status status, const char *format, ...) MST_PRINTF(3, 4);
void mst_error_clear(mst_error *err);

/* A failure is never MST_OK. Knowing that, a compiler does not suspect outputs of being unset after success. */
static inline mst_status mst_not_ok(mst_status status) {
  mst_assert(status != MST_OK);
  if (status == MST_OK) __builtin_unreachable();
  return status;
}
#define mst_fail(...)        mst_not_ok(mst_fail(__VA_ARGS__))
#define mst_fail_at(...)     mst_not_ok(mst_fail_at(__VA_ARGS__))
#define mst_fail_memory(err) mst_not_ok(mst_fail_memory(err))
#define mst_fail_errno(...)  mst_not_ok(mst_fail_errno(__VA_ARGS__))

/* In a function with `mst_status status = MST_OK;` and a label `done:`. */
#define MST_TRY(call)                \
  do {                               \
    status = (call);                 \
    if (status != MST_OK) goto done; \
  } while (0)
/* `expression` is a fresh allocation. */
#define MST_TRY_ALLOC(expression)    \
  do {                               \
    if ((expression) == NULL) {      \
      status = mst_fail_memory(err); \
      goto done;                     \
    }                                \
  } while (0)

#endif
