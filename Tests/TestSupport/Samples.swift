import Foundation
import LinearAlgebra

/// Random numbers for tests, determined by a seed, and equal on all ranks and in both precisions: each is a `Float`.
package struct Samples {
  private var generator: SplitMix64

  package init(seed: UInt64) { generator = SplitMix64(seed: seed) }

  /// A normal number of the given standard deviation.
  package mutating func normal(_ deviation: Double = 1) -> Double {
    Double(Float(deviation * generator.nextNormal()))
  }

  package mutating func normals(_ count: Int, _ deviation: Double = 1) -> [Double] {
    (0..<count).map { _ in normal(deviation) }
  }

  package mutating func vector<Scalar: BLASScalar>(_ count: Int, _ deviation: Double = 1) -> Vector<Scalar> {
    Vector(normals(count, deviation).map { Scalar($0) })
  }

  package mutating func matrix<Scalar: BLASScalar>(
    _ rows: Int, _ columns: Int, _ deviation: Double = 1
  ) -> Matrix<Scalar> {
    Matrix(vector(rows * columns, deviation), rows, columns)
  }

  /// An integer in 0..<bound.
  package mutating func integer(below bound: Int) -> Int { Int(generator.next(below: UInt64(bound))) }
}

extension Vector {
  /// The elements in `Double`.
  package var doubles: [Double] { array.map { Double($0) } }
}

extension Matrix {
  /// The rows in `Double`.
  package var doubles: [[Double]] { (0..<rows).map { self[row: $0].doubles } }
}

/// The sum in nearly twice the precision of `Double` (Neumaier), for references that must be the more accurate side.
package func accurateSum(_ terms: [Double]) -> Double {
  var sum = 0.0
  var lost = 0.0
  for term in terms {
    let next = sum + term
    lost += abs(sum) >= abs(term) ? (sum - next) + term : (term - next) + sum
    sum = next
  }
  return sum + lost
}

private let configuring = NSLock()

/// Runs `body` with `count` threads, and loops in `pieces` pieces. Parallel tests take turns with the threads, and none
/// of them sees the numbers of another.
package func withThreads<Result>(_ count: Int, pieces: Int? = nil, _ body: () throws -> Result) rethrows -> Result {
  configuring.lock()
  defer { configuring.unlock() }
  Threads.resizePool(count)
  defer { Threads.resizePool(1) }
  return try Threads.with(count: count, pieces: pieces, body)
}
