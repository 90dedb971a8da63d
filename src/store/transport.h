/* store/transport.h - HTTP exchanges over libcurl: many at once on one I/O thread of the context, or one on the thread
 * of a caller that waits anyway. Private to the store module.
 *
 * An exchange is what one operation needs of the network: a request, its reply, and whatever requests follow from it.
 * Its owner answers four questions (mst_exchange_ops); the transport does the rest: connections, sending and receiving,
 * timers, deadlines, stalls, cancellation. Retries are decided by the owner, in `settle`. */
#ifndef MST_STORE_TRANSPORT_H
#define MST_STORE_TRANSPORT_H

#include "store/lib_crypto.h"
#include "store/options.h"
#include "store/reply.h"
#include "store/sign.h"

typedef struct mst_transport mst_transport;
typedef struct mst_exchange mst_exchange;

/* How the requests of one store are made. [shared], immutable. */
typedef struct mst_http_config {
  _Atomic uint32_t refs;
  const mst_allocator *mem;
  int64_t connect_timeout_us, stall_timeout_us, attempt_timeout_us; /* 0: none */
  char *proxy_http, *proxy_https; /* by the scheme of the request's URL; "" or NULL: none */
  char *no_proxy, *ca_bundle, *user_agent;
  bool verify_tls;
} mst_http_config;
mst_status mst_http_config_make(mst_context *ctx, const mst_settings *settings, const char *ca_bundle,
                                mst_http_config **out, mst_error *err);
mst_http_config *mst_http_config_ref(mst_http_config *c);
void mst_http_config_unref(mst_http_config *c);

enum { MST_HEADERS_MAX = 20 };

typedef struct mst_request {
  const char *method;                   /* GET HEAD PUT POST DELETE */
  const char *url;                      /* with nothing left to encode */
  const char *headers[MST_HEADERS_MAX]; /* "Name: value" */
  size_t n_headers;
  const void *body; /* PUT, POST */
  size_t n_body;
  bool once;        /* must never be sent a second time unseen: goes over a connection of its own */
  bool no_proxy;    /* machine-local services */
  bool large;       /* a reply of more than some 100 KiB is expected: worth a large buffer */
  int64_t stall_us; /* instead of the configuration's; 0: that */
} mst_request;

typedef enum mst_outcome {                         /* of one request, beside the reply's status */
                           MST_OUTCOME_REPLY,      /* the whole reply came */
                           MST_OUTCOME_CUT,        /* the owner wanted no more of it */
                           MST_OUTCOME_NOT_SENT,   /* no connection: the server has seen nothing */
                           MST_OUTCOME_BROKEN,     /* the connection broke, what the server did is unknown */
                           MST_OUTCOME_STALLED,    /* as BROKEN: too few bytes for too long */
                           MST_OUTCOME_IMPOSSIBLE, /* the same again would fail alike: certificate, memory, address */
                           MST_OUTCOME_CANCELLED,  /* asked for */
                           MST_OUTCOME_DEADLINE    /* the operation's time is up */
} mst_outcome;

typedef enum mst_go {
  MST_GO_SEND,  /* the request is ready */
  MST_GO_AGAIN, /* begin anew, now */
  MST_GO_WAIT,  /* begin anew at `resume_at_us` */
  MST_GO_BLOCK, /* `block` must run first, off the I/O thread */
  MST_GO_END    /* `status` and `error` say how */
} mst_go;

typedef struct mst_exchange_ops {
  mst_go (*begin)(mst_exchange *x, mst_signer *signer);
  void (*block)(mst_exchange *x, mst_transport *t);
  /* The headers are complete. false: no more of this reply is wanted; `settle` follows. */
  bool (*head)(mst_exchange *x);
  bool (*body)(mst_exchange *x, const void *data, size_t n);
  /* The request has ended: x->outcome, x->reply, x->trouble. */
  mst_go (*settle)(mst_exchange *x);
  /* The exchange has ended; it is the owner's again, who may free it here. Not called in mst_transport_run. */
  void (*end)(mst_exchange *x);
} mst_exchange_ops;

struct mst_exchange {
  /* set by the owner */
  const mst_exchange_ops *ops;
  mst_http_config *config;    /* borrowed */
  mst_cancel *cancel;         /* may be NULL */
  const mst_exchange *parent; /* on whose behalf: cancelled with it; may be NULL */
  int64_t deadline_us;        /* 0: none */
  const void *tag;            /* what it is found by for cancelling */
  mst_request request;
  int64_t resume_at_us;
  mst_status status;
  mst_error *error;
  uint32_t requests; /* sent so far */
  /* told by the transport */
  mst_outcome outcome;
  mst_reply reply;
  char *location;    /* of a redirect: the whole URL, made by the context's allocator; the owner frees it in the end */
  char trouble[256]; /* what libcurl says of an outcome that is no reply */
  /* the transport's own */
  uint64_t generation;
  atomic_bool cancel_asked;
  bool headed, cut;
  uint32_t header_bytes;
  void *slot;
  int64_t sent_at_us, window_us;
  uint64_t window_bytes;
  mst_exchange *next, *live_before, *live_after;
};

/* The context's transport, made on first use: this is where libcurl and libcrypto are loaded. Borrowed. */
mst_status mst_transport_get(mst_context *ctx, mst_transport **out, mst_error *err);
const mst_crypto *mst_transport_crypto(const mst_transport *t);
mst_context *mst_transport_context(const mst_transport *t);

/* Asynchronous: x->ops->end is called on the I/O thread. */
void mst_transport_start(mst_transport *t, mst_exchange *x);
/* Drives the exchange on this thread and returns its status, with *x->error filled on failure. */
mst_status mst_transport_run(mst_transport *t, mst_exchange *x);
/* Asks every exchange under way with this tag to end. */
void mst_transport_cancel(mst_transport *t, const void *tag);
/* Has it been cancelled, or is its time up? For `block`. */
bool mst_exchange_stopped(const mst_exchange *x, const mst_env *env);

#endif
