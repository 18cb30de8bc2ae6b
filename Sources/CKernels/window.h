#pragma once
#include "vector_math.h"

// At position (oy, ox), the place (ky, kx) of a window covers pixel (oy·stride + ky − padding, ox·stride + kx −
// padding). For one k, along either side of the image, the positions that cover a pixel form a range.
static inline size_t first_inside(fgn_window w, size_t k) {
  return k >= w.padding ? 0 : (w.padding - k + w.stride - 1) / w.stride;
}

static inline size_t end_inside(fgn_window w, size_t size, size_t positions, size_t k) {
  if (size + w.padding <= k) return 0;
  size_t end = (size + w.padding - k - 1) / w.stride + 1;
  return end < positions ? end : positions;
}
