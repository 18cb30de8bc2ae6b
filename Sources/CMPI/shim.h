// The part of MPI that the MPI target uses, as functions: much of the C API is macros, which Swift cannot import, and
// handles are pointers in Open MPI but integers in MPICH. A handle is therefore a struct here, opaque to Swift and
// alike for both.
#pragma once
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// `yields`: more ranks than CPUs share this node, and a rank that polls while it waits keeps the awaited one from
// running. Open MPI can be told to yield; MPICH cannot, so that this code waits itself there.
typedef struct fgn_comm {
  MPI_Comm value;
  int yields;
} fgn_comm;
typedef struct fgn_request {
  MPI_Request value;
  int yields;
} fgn_request;

enum { fgn_success = MPI_SUCCESS, fgn_thread_funneled = MPI_THREAD_FUNNELED, fgn_thread_serialized = MPI_THREAD_SERIALIZED };

typedef enum fgn_type { fgn_float, fgn_double, fgn_int8, fgn_int32, fgn_int64, fgn_uint8, fgn_uint64 } fgn_type;
typedef enum fgn_op { fgn_sum, fgn_min, fgn_max } fgn_op;

static inline MPI_Datatype fgn_datatype(fgn_type type) {
  switch (type) {
    case fgn_float: return MPI_FLOAT;
    case fgn_double: return MPI_DOUBLE;
    case fgn_int8: return MPI_INT8_T;
    case fgn_int32: return MPI_INT32_T;
    case fgn_int64: return MPI_INT64_T;
    case fgn_uint8: return MPI_UINT8_T;
    case fgn_uint64: return MPI_UINT64_T;
  }
  abort();
}

static inline MPI_Op fgn_operation(fgn_op op) {
  switch (op) {
    case fgn_sum: return MPI_SUM;
    case fgn_min: return MPI_MIN;
    case fgn_max: return MPI_MAX;
  }
  abort();
}

// MARK: start and end

static inline int fgn_init(int required, int *provided) { return MPI_Init_thread(NULL, NULL, required, provided); }
static inline int fgn_finalize(void) { return MPI_Finalize(); }
static inline int fgn_abort(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }

static inline int fgn_is_finalized(void) {
  int flag = 0;
  MPI_Finalized(&flag);
  return flag;
}

// Errors are returned as codes, on world, on self, and on all communicators that are split off from world afterwards.
static inline int fgn_return_errors(void) {
  int code = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  return code == MPI_SUCCESS ? MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN) : code;
}

enum { fgn_text_capacity = MPI_MAX_ERROR_STRING > MPI_MAX_LIBRARY_VERSION_STRING ? MPI_MAX_ERROR_STRING : MPI_MAX_LIBRARY_VERSION_STRING };

// Both write at most fgn_text_capacity bytes, including the terminating zero.
static inline int fgn_error_string(int code, char *text) {
  int length = 0;
  return MPI_Error_string(code, text, &length);
}
static inline int fgn_library_version(char *text) {
  int length = 0;
  return MPI_Get_library_version(text, &length);
}

// MARK: communicators

static inline fgn_comm fgn_world(int yields) { return (fgn_comm){MPI_COMM_WORLD, yields}; }
static inline int fgn_rank(fgn_comm comm, int *rank) { return MPI_Comm_rank(comm.value, rank); }
static inline int fgn_size(fgn_comm comm, int *size) { return MPI_Comm_size(comm.value, size); }
static inline int fgn_free(fgn_comm comm) { return MPI_Comm_free(&comm.value); }
static inline int fgn_split(fgn_comm comm, int color, int key, fgn_comm *part) {
  part->yields = comm.yields;
  return MPI_Comm_split(comm.value, color, key, &part->value);
}
static inline int fgn_split_shared_memory(fgn_comm comm, int key, fgn_comm *part) {
  part->yields = comm.yields;
  return MPI_Comm_split_type(comm.value, MPI_COMM_TYPE_SHARED, key, MPI_INFO_NULL, &part->value);
}

// MARK: waiting

static inline int fgn_test(fgn_request *request, int *done) {
  return MPI_Test(&request->value, done, MPI_STATUS_IGNORE);
}
static inline int fgn_wait(fgn_request *request) {
  if (!request->yields) return MPI_Wait(&request->value, MPI_STATUS_IGNORE);
  while (1) {
    int done;
    int code = MPI_Test(&request->value, &done, MPI_STATUS_IGNORE);
    if (code != MPI_SUCCESS || done) return code;
    sched_yield();
  }
}

// Waits for the operation that was started with the result `code`.
static inline int fgn_finish(int code, fgn_request *request) { return code == MPI_SUCCESS ? fgn_wait(request) : code; }

// MARK: collectives. All except the reductions move bytes.

static inline int fgn_barrier(fgn_comm comm) {
  if (!comm.yields) return MPI_Barrier(comm.value);
  fgn_request request = {.yields = 1};
  return fgn_finish(MPI_Ibarrier(comm.value, &request.value), &request);
}
static inline int fgn_iallreduce(void *buffer, int count, fgn_type type, fgn_op op, fgn_comm comm, fgn_request *request) {
  request->yields = comm.yields;
  return MPI_Iallreduce(MPI_IN_PLACE, buffer, count, fgn_datatype(type), fgn_operation(op), comm.value, &request->value);
}
static inline int fgn_allreduce(void *buffer, int count, fgn_type type, fgn_op op, fgn_comm comm) {
  if (!comm.yields)
    return MPI_Allreduce(MPI_IN_PLACE, buffer, count, fgn_datatype(type), fgn_operation(op), comm.value);
  fgn_request request;
  return fgn_finish(fgn_iallreduce(buffer, count, type, op, comm, &request), &request);
}
// buffer has the terms of all counts; its first elements become this rank's part of their sums.
static inline int fgn_reduce_scatter(void *buffer, const int *counts, fgn_type type, fgn_op op, fgn_comm comm) {
  if (!comm.yields)
    return MPI_Reduce_scatter(MPI_IN_PLACE, buffer, counts, fgn_datatype(type), fgn_operation(op), comm.value);
  fgn_request request = {.yields = 1};
  return fgn_finish(
      MPI_Ireduce_scatter(
          MPI_IN_PLACE, buffer, counts, fgn_datatype(type), fgn_operation(op), comm.value, &request.value),
      &request);
}
static inline int fgn_broadcast(void *buffer, int bytes, int root, fgn_comm comm) {
  if (!comm.yields) return MPI_Bcast(buffer, bytes, MPI_BYTE, root, comm.value);
  fgn_request request = {.yields = 1};
  return fgn_finish(MPI_Ibcast(buffer, bytes, MPI_BYTE, root, comm.value, &request.value), &request);
}
static inline int fgn_allgather(void *buffer, const int *bytes, const int *offsets, fgn_comm comm) {
  if (!comm.yields)
    return MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, buffer, bytes, offsets, MPI_BYTE, comm.value);
  fgn_request request = {.yields = 1};
  return fgn_finish(
      MPI_Iallgatherv(
          MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, buffer, bytes, offsets, MPI_BYTE, comm.value, &request.value),
      &request);
}
static inline int fgn_gather(const void *part, int count, void *buffer, const int *bytes, const int *offsets, int root, fgn_comm comm) {
  if (!comm.yields) return MPI_Gatherv(part, count, MPI_BYTE, buffer, bytes, offsets, MPI_BYTE, root, comm.value);
  fgn_request request = {.yields = 1};
  return fgn_finish(
      MPI_Igatherv(part, count, MPI_BYTE, buffer, bytes, offsets, MPI_BYTE, root, comm.value, &request.value),
      &request);
}
static inline int fgn_send(const void *buffer, int bytes, int to, fgn_comm comm) {
  fgn_request request = {.yields = comm.yields};
  return fgn_finish(MPI_Isend(buffer, bytes, MPI_BYTE, to, 0, comm.value, &request.value), &request);
}
static inline int fgn_receive(void *buffer, int bytes, int from, fgn_comm comm) {
  fgn_request request = {.yields = comm.yields};
  return fgn_finish(MPI_Irecv(buffer, bytes, MPI_BYTE, from, 0, comm.value, &request.value), &request);
}

// MARK: the process

extern char **environ;
static inline char **fgn_environment(void) { return environ; }

// The number of CPUs that this process may run on; zero if unknown. This is the bare system call, because glibc
// declares its function only under _GNU_SOURCE, which would make types of the system headers differ from those that
// Swift has imported. There is room for 8192 CPUs: the call fails if the mask is too small.
static inline int fgn_affinity_count(void) {
  unsigned long mask[8192 / (8 * sizeof(unsigned long))];
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
  int count = 0;
  for (long word = 0; word < bytes / (long)sizeof(mask[0]); word++) count += __builtin_popcountl(mask[word]);
  return count;
}
