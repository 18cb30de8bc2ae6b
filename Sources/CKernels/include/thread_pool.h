// Threads that share loops. A loop of a training step often lasts some ten microseconds, about as long as waking a
// sleeping thread takes. So these threads spin for a while to wait for the next loop, and only then sleep.
#pragma once
#include <stddef.h>

// Sets the number of threads, including the caller's. Must not be called while a loop runs.
void fgn_pool_resize(size_t threads);

// Calls body(context, piece) for each piece of 0..<pieces, one on the calling thread and the others on threads of the
// pool; returns when all are done. If the pool works for another caller, the calling thread does all pieces.
void fgn_pool_run(size_t pieces, void (*body)(void *context, size_t piece), void *context);

// Whether the calling thread is working on a piece.
int fgn_pool_is_piece(void);

// The numbers of threads and pieces for loops that the calling thread starts, if it has numbers of its own; otherwise
// zeros.
typedef struct {
  long threads, pieces;
} fgn_pool_numbers;
fgn_pool_numbers *fgn_pool_own_numbers(void);
