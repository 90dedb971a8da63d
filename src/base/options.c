/* base/options.c - reading option structs of callers that were built with another version. Owns nothing.
 * Calls base/error.h. */
#include "base/options.h"

#include <string.h>

#include "base/bits.h"
#include "base/error.h"

mst_status mst_options_take(void *mine, size_t mine_size, const void *theirs, const char *what, mst_error *err) {
  const uint8_t *bytes = theirs;
  size_t size;
  memset(mine, 0, mine_size);
  memcpy(mine, &mine_size, sizeof mine_size);
  if (theirs == NULL) return MST_OK;
  memcpy(&size, theirs, sizeof size);
  if (size < sizeof size)
    return mst_fail(err, MST_E_ARGUMENT, "%s: struct_size is %zu; initialise the struct with its _INIT macro", what,
                    size);
  for (size_t i = mine_size; i < size; i++)
    if (bytes[i] != 0)
      return mst_fail(err, MST_E_UNSUPPORTED, "%s: a setting at byte %zu is newer than this library (%s)", what, i,
                      mst_version());
  memcpy((uint8_t *)mine + sizeof size, bytes + sizeof size, mst_min_size(size, mine_size) - sizeof size);
  return MST_OK;
}
