import COpenBLAS
import Dispatch

/// How many threads this process computes with, in BLAS and in our own loops over rows.
package enum Threads {
  /// What `configure` chose; 1 before.
  package nonisolated(unsafe) private(set) static var count = 1

  /// The CPUs that this process may run on.
  ///
  /// The affinity mask, not the number of CPUs: launchers bind ranks to cores, and BLAS obeys the mask.
  package static var affinity: [Int] {
    var mask = [UInt8](repeating: 0, count: 1024)
    let bytes = fgn_affinity(&mask, mask.count)
    return (0..<Swift.max(0, Int(bytes)) * 8).filter { mask[$0 / 8] & (1 << ($0 % 8)) != 0 }
  }

  /// The number of threads to use: `OPENBLAS_NUM_THREADS`, else `OMP_NUM_THREADS`, else the CPUs of the affinity mask
  /// divided by the processes that share it.
  package static func recommended(
    environment: [String: String], affinityCount: Int, processesSharingMask: Int
  ) -> Int {
    for name in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"] {
      // A list gives the numbers of nested levels, the outermost first.
      if let value = environment[name]?.split(separator: ",").first.flatMap({ Int($0) }), value > 0 { return value }
    }
    return Swift.max(1, affinityCount / Swift.max(1, processesSharingMask))
  }

  /// Makes BLAS and our loops use `count` threads. Called once, before any work.
  package static func configure(count: Int) {
    precondition(count > 0)
    openblas_set_num_threads(Int32(count))
    self.count = count
  }

  /// Name of the kernels that OpenBLAS chose for this processor.
  package static var kernelName: String { String(cString: openblas_get_corename()) }

  /// Whether the caller is itself a piece of a parallel loop: then all threads are busy, and nothing is split again.
  @TaskLocal private static var isPiece = false

  /// The threads that a loop or product may use here: `count`, or 1 within a parallel loop.
  static var available: Int { isPiece ? 1 : count }

  /// Calls `body` on consecutive ranges that cover 0..<count, in parallel if there are enough elements to pay for it.
  ///
  /// `grain` is the least number of items worth a thread. The ranges depend on `count` and the number of threads alone.
  package static func parallel(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let pieces = Swift.min(available, count / Swift.max(1, grain))
    if pieces <= 1 { return body(0..<count) }
    withoutActuallyEscaping(body) { body in
      // The pieces write to disjoint rows, which the type system cannot see.
      nonisolated(unsafe) let body = body
      DispatchQueue.concurrentPerform(iterations: pieces) { piece in
        $isPiece.withValue(true) { body(count * piece / pieces..<count * (piece + 1) / pieces) }
      }
    }
  }

  /// The same, for a body that calls BLAS itself: BLAS then computes in the calling thread alone.
  package static func parallelWithBLAS(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    if available == 1 { return parallel(count, grain: grain, body) }
    openblas_set_num_threads(1)
    defer { openblas_set_num_threads(Int32(self.count)) }
    parallel(count, grain: grain, body)
  }
}
