/* base/options.h - option structs of any age: they begin with their size, and zero means default. */
#ifndef MST_BASE_OPTIONS_H
#define MST_BASE_OPTIONS_H

#include <meseta/status.h>

/* Copies `theirs` (NULL: all defaults) into `mine` of `mine_size` bytes. What an older caller does not know stays zero;
 * a newer caller is refused only when it asks for something that this build does not know. `what` names the struct. */
mst_status mst_options_take(void *mine, size_t mine_size, const void *theirs, const char *what, mst_error *err);

#endif
