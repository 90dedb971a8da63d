/* meseta/status.h - what every fallible call answers.
 *
 * Every fallible function returns an mst_status and takes a caller-owned `mst_error *` last, which may be NULL.
 * An error is a plain value: it needs no allocation, nothing in it must be freed, it may be copied to another thread. */
#ifndef MESETA_STATUS_H
#define MESETA_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MST_API __attribute__((visibility("default")))
#define MST_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define MST_API
#define MST_PRINTF(format_at, args_at)
#endif

/* Each status is a decision that a caller can take. Values are stable across releases. */
typedef enum mst_status {
  MST_OK = 0,
  MST_E_ARGUMENT = -1,     /* the caller's mistake; nothing was done                        */
  MST_E_NO_MEMORY = -2,    /* the allocator said no                                         */
  MST_E_LIMIT = -3,        /* beyond the memory budget or a settable size limit             */
  MST_E_NOT_FOUND = -4,    /* no such object, bucket, record, column, format                */
  MST_E_EXISTS = -5,       /* a create-only write met an object                             */
  MST_E_DENIED = -6,       /* credentials missing, wrong or too weak                        */
  MST_E_CHANGED = -7,      /* the object is not the version that was pinned                 */
  MST_E_CONFLICT = -8,     /* another writer's conditional write won                        */
  MST_E_CORRUPT = -9,      /* the bytes break their format's rules                          */
  MST_E_UNSUPPORTED = -10, /* valid, but not something that this build or store does        */
  MST_E_IO = -11,          /* transport or disk, after retries                              */
  MST_E_TIMEOUT = -12,     /* a deadline passed or a transfer stalled, after retries        */
  MST_E_CANCELLED = -13,   /* the caller asked for it (mst_cancel_request)                  */
  MST_E_INTERNAL = -14     /* a broken promise of ours; please report                       */
} mst_status;

typedef struct mst_error {
  mst_status status;
  bool retryable;       /* the same call may succeed later                                  */
  int16_t http_status;  /* 0 when no HTTP answer was involved                               */
  int32_t os_errno;     /* 0 when no system call was involved                               */
  int64_t offset;       /* byte offset in `object`, -1 when unknown                         */
  char request_id[64];  /* the server's own, "" when it gave none                           */
  char object[320];     /* URL without credentials or query, cut in the middle when long    */
  char message[832];    /* "while reading slice 3 of …: GET bytes 0-99: HTTP 403 …"; UTF-8  */
} mst_error;

/* "MST_E_CORRUPT" and so on; never NULL. */
MST_API const char *mst_status_name(mst_status status);
/* The library's version, "MAJOR.MINOR.PATCH". */
MST_API const char *mst_version(void);

#ifdef __cplusplus
}
#endif
#endif
