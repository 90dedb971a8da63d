/* base/base.h - the ground that every module stands on: status and errors, allocation, owned bytes, buffers with limits,
 * checked arithmetic, little-endian access, text, JSON, time, the context, threads and a work queue.
 *
 * Owns: no I/O but the log callback. May call: libc, pthread, jansson. May be included by: every module. */
#ifndef MST_BASE_BASE_H
#define MST_BASE_BASE_H

#include <meseta/bytes.h>
#include <meseta/context.h>
#include <meseta/status.h>

#include "base/alloc.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/context.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"
#include "base/options.h"
#include "base/owner.h"
#include "base/pool.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/time.h"

#endif
