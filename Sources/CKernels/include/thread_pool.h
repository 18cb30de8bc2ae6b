// Threads that share loops. A loop of a training step often lasts some ten microseconds, about as long as it takes to wake a
// sleeping thread: these wait for the next loop by spinning for a while, and only then sleep.
#pragma once
#include <stddef.h>

// Sets the number of threads, the caller's included. Not while a loop runs.
void fgn_pool_resize(size_t threads);

// Calls body(context, piece) for every piece of 0..<pieces, one on the calling thread and the others on those of the pool;
// returns when all are done. Where the pool is at work for another caller, the calling thread does all of them.
void fgn_pool_run(size_t pieces, void (*body)(void *context, size_t piece), void *context);

// Whether the calling thread is at work on a piece.
int fgn_pool_is_piece(void);

// The threads and pieces of the loops that the calling thread begins, where it has numbers of its own; else zeros.
typedef struct {
  long threads, pieces;
} fgn_pool_numbers;
fgn_pool_numbers *fgn_pool_own_numbers(void);
