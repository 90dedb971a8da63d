/* api/give.h - what the public calls share: refusing NULL, handing JSON out. Private to the api module. */
#ifndef MST_API_GIVE_H
#define MST_API_GIVE_H

#include "base/base.h"

#define NEEDS(condition, what) \
  if (!(condition)) return mst_fail(err, MST_E_ARGUMENT, "%s: %s must not be NULL", __func__, what)

/* `value` as one line of text; nothing when `out` is NULL. */
mst_status mst_give_json(json_t *value, mst_bytes *out, mst_error *err);

#endif
