/* tests/format/dump.h - Arrow batches as text, so that tests say what they expect in plain words. Calls src/column. */
#ifndef MST_TESTS_FORMAT_DUMP_H
#define MST_TESTS_FORMAT_DUMP_H

#include "format/drive.h"

/* One line a row, cells divided by '|': numbers as they are (doubles by %.17g), true and false, texts as they are, null as ~,
 * lists as [a,b], structs as {a,b}; dates and timestamps as their integers. */
void dump_batch(const struct ArrowSchema *schema, const struct ArrowArray *batch, mst_buf *out);
/* "name:format" of each column, divided by blanks; structs and lists with their children in brackets. */
void dump_schema(const struct ArrowSchema *schema, mst_buf *out);

#endif
