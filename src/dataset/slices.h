/* dataset/slices.h - how slices of datasets are made and read. Private to the dataset module; dataset.h shows the provider.
 *
 * May call: base, source. */
#ifndef MST_DATASET_SLICES_H
#define MST_DATASET_SLICES_H

#include "source/source.h"

extern const mst_slice_provider mst_dataset_slices;

#endif
