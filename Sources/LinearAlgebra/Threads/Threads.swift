import CBLAS
internal import CKernels
import Synchronization

/// The threads of this process, in matrix products and in loops over rows.
public enum Threads {
  /// The values set by `configure`.
  nonisolated(unsafe) private static var configured: (count: Int, pieces: Int?) = (1, nil)

  /// The number of threads set by `configure`; 1 before it.
  public static var count: Int { own?.count ?? configured.count }
  /// The number of pieces of loops and products, whatever the number of threads, so that no bit of a result depends on
  /// the latter; nil: one piece per thread.
  package static var pieces: Int? { own.map(\.pieces) ?? configured.pieces }

  /// A number of pieces that keeps products large, and that a few threads can share evenly.
  package static let fixedPieces = 8

  /// The CPUs that this process may run on.
  ///
  /// They come from the affinity mask instead of the number of CPUs: launchers bind ranks to cores, and BLAS obeys the
  /// mask.
  public static var affinity: [Int] { affinity(of: 0) }

  /// The CPUs that a process may run on; empty if it has ended. 0 is this process.
  package static func affinity(of process: Int32) -> [Int] {
    var mask = [UInt8](repeating: 0, count: 1024)
    let bytes = fgn_affinity(process, &mask, mask.count)
    return (0..<Swift.max(0, Int(bytes)) * 8).filter { mask[$0 / 8] & (1 << ($0 % 8)) != 0 }
  }

  /// The number of threads to use: `OPENBLAS_NUM_THREADS`, else `OMP_NUM_THREADS`, else the CPUs of the affinity mask
  /// divided by the processes that share it.
  package static func recommended(
    environment: [String: String], affinityCount: Int, processesSharingMask: Int
  ) -> Int {
    chosen(environment: environment) ?? Swift.max(1, affinityCount / Swift.max(1, processesSharingMask))
  }

  /// The number of threads in the environment; nil if it sets none.
  package static func chosen(environment: [String: String]) -> Int? {
    for name in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"] {
      // A list has one number per nested level, the outermost first.
      if let value = environment[name]?.split(separator: ",").first.flatMap({ Int($0) }), value > 0 { return value }
    }
    return nil
  }

  /// Makes products and loops use `count` threads. Called once, before any work.
  ///
  /// BLAS computes in the calling thread alone: its own threads, once used, spin while they wait, on cores that the
  /// loops need.
  public static func configure(count: Int, pieces: Int? = nil) {
    precondition(count > 0 && pieces ?? 1 > 0)
    fgn_blas_use_one_thread()
    resizePool(count)
    configured = (count, pieces)
  }

  /// Starts and ends threads so that loops have `count`, including the caller's.
  package static func resizePool(_ count: Int) { fgn_pool_resize(count) }

  /// Calls `body` with other numbers for the work of the calling thread; tests need this, since they run in parallel.
  package static func with<Result>(
    count: Int, pieces: Int? = nil, _ body: () throws -> Result
  ) rethrows -> Result {
    let numbers = fgn_pool_own_numbers()!
    let before = numbers.pointee
    defer { numbers.pointee = before }
    numbers.pointee = .init(threads: count, pieces: pieces ?? 0)
    return try body()
  }

  private static var own: (count: Int, pieces: Int?)? {
    let own = fgn_pool_own_numbers().pointee
    return own.threads > 0 ? (own.threads, own.pieces > 0 ? own.pieces : nil) : nil
  }

  /// The number of pieces for a loop or product at this place, normally one per thread; 1 within a parallel loop, where
  /// all threads are busy.
  package static var available: Int { fgn_pool_is_piece() != 0 ? 1 : pieces ?? count }

  /// Calls `body` on consecutive ranges that cover 0..<count, in parallel if there are enough elements.
  ///
  /// `grain` is the smallest number of items worth a thread. The ranges depend on `count` and `available` alone.
  package static func parallel(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let most = count / Swift.max(1, grain)
    let pieces = most <= 1 ? 1 : Swift.min(available, most)
    if pieces <= 1 { return body(0..<count) }
    forEach(pieces) { body((0..<count).part($0, of: pieces)) }
  }

  /// Calls `body` with each of 0..<count, on all threads. Each call is serial within, even if there is only one, or one
  /// thread: its results do not depend on either number.
  package static func forEach(_ count: Int, _ body: (Int) -> Void) {
    let threads = Swift.min(self.count, count)
    withoutActuallyEscaping(body) { body in
      let loop = Loop(count: count, threads: threads, body: body)
      withUnsafePointer(to: loop) { loop in
        fgn_pool_run(
          threads, { $0!.assumingMemoryBound(to: Loop.self).pointee.run($1) }, UnsafeMutableRawPointer(mutating: loop))
      }
    }
  }

  /// The result of `body`, computed serially like one piece of a loop.
  package static func serially<Result>(_ body: () -> Result) -> Result {
    var result: Result?
    forEach(1) { _ in result = body() }
    return result!
  }

  private struct Loop {
    let count, threads: Int
    /// The items write to disjoint memory, which the type system cannot express.
    let body: (Int) -> Void

    func run(_ thread: Int) { (0..<count).part(thread, of: threads).forEach(body) }
  }

  /// Calls `body` with each of 0..<count and the number of the current thread, in ascending order, each as soon as a
  /// thread is free: for items of unequal duration.
  package static func share(_ count: Int, _ body: (_ item: Int, _ thread: Int) -> Void) {
    let next = Atomic(0)
    forEach(Swift.min(self.count, count)) { thread in
      while true {
        let item = next.add(1, ordering: .relaxed).oldValue
        if item >= count { return }
        body(item, thread)
      }
    }
  }

  /// Calls `body` with panels of at most `height` of `range` and the number of the current thread, as `share` does.
  static func sharePanels(of range: Range<Int>, height: Int, _ body: (_ panel: Range<Int>, _ thread: Int) -> Void) {
    share((range.count + height - 1) / height) { item, thread in
      let start = range.lowerBound + item * height
      body(start..<Swift.min(start + height, range.upperBound), thread)
    }
  }
}

extension Range<Int> {
  /// Part `index` of `count`: from index · n/count to (index + 1) · n/count, rounded down.
  ///
  /// The parts are consecutive, differ by at most one in size, and some are empty if there are more parts than
  /// elements.
  package func part(_ index: Int, of count: Int) -> Range<Int> {
    precondition(index >= 0 && index < count, "there is no such part")
    return lowerBound + index * self.count / count..<lowerBound + (index + 1) * self.count / count
  }
}
