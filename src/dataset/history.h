/* dataset/history.h - the log of commits: records in the document and in sealed segments, states of the past made from them.
 *
 * May call: base, codec, store, dataset's own headers. Private to the dataset module. */
#ifndef MST_DATASET_HISTORY_H
#define MST_DATASET_HISTORY_H

#include "dataset/commit.h"
#include "dataset/state.h"

#endif
