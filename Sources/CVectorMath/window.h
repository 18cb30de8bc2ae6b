#pragma once
#include "vector_math.h"

// Position (oy, ox) of a window sees pixel (oy·stride + ky − padding, ox·stride + kx − padding) at its place (ky, kx).
// For one kx the columns that fall into the image are a range of ox.
static inline size_t first_inside(fgn_window w, size_t kx) {
  return kx >= w.padding ? 0 : (w.padding - kx + w.stride - 1) / w.stride;
}

static inline size_t end_inside(fgn_window w, size_t kx) {
  if (w.width + w.padding <= kx) return 0;
  size_t end = (w.width + w.padding - kx - 1) / w.stride + 1;
  return end < w.out_width ? end : w.out_width;
}
