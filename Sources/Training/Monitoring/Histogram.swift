import GaussNewton
import LinearAlgebra
import MPI

/// The number of values in each of a fixed set of buckets, with extremes and moments.
///
/// Bucket i holds edges[i−1] ≤ x < edges[i]; the first and the last bucket are unbounded. All ranks use the same edges,
/// so that the histogram of all their values is the sum of theirs.
struct Histogram: Equatable, Sendable {
  let edges: [Double]
  private(set) var counts: [Double]
  private(set) var minimum = Double.infinity
  private(set) var maximum = -Double.infinity
  private(set) var sum = 0.0
  private(set) var squaredSum = 0.0

  /// `edges` must ascend.
  init(edges: [Double]) {
    self.edges = edges
    counts = Array(repeating: 0, count: edges.count + 1)
  }

  /// The number of values.
  var count: Double { counts.reduce(0, +) }

  /// Adds a value, which must not be NaN.
  mutating func add(_ value: Double) {
    precondition(!value.isNaN, "a histogram has no place for what is not a number")
    var (low, high) = (0, edges.count)
    while low < high {
      let middle = (low + high) / 2
      if edges[middle] <= value { low = middle + 1 } else { high = middle }
    }
    counts[low] += 1
    minimum = min(minimum, value)
    maximum = max(maximum, value)
    sum += value
    squaredSum += value * value
  }

  /// The upper limits and the counts from the first occupied bucket to the last, whose limit is the largest value.
  var occupied: (limits: [Double], counts: [Double]) {
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 }) else {
      return ([], [])
    }
    return (Array(edges[first..<last]) + [maximum], Array(counts[first...last]))
  }

  /// The histogram as numbers for a message between ranks.
  var flattened: [Double] { counts + [minimum, maximum, sum, squaredSum] }

  /// Adds the flattened histogram of another rank.
  mutating func merge(_ numbers: some Collection<Double>) {
    precondition(numbers.count == counts.count + 4, "histograms differ in their buckets")
    let numbers = Array(numbers)
    for i in counts.indices { counts[i] += numbers[i] }
    let rest = numbers[counts.count...]
    minimum = min(minimum, rest[counts.count])
    maximum = max(maximum, rest[counts.count + 1])
    sum += rest[counts.count + 2]
    squaredSum += rest[counts.count + 3]
  }
}

/// Histograms of one batch: its margins m, and its curvature weights w = p(1−p).
struct MarginHistograms: Equatable, Sendable {
  /// Buckets of width ½, with p from 10⁻¹⁴ to 1 − 10⁻¹⁴.
  private(set) var margins = Histogram(edges: (-64...64).map { 0.5 * Double($0) })
  /// Decades for examples with next to no curvature, then steps of 0.005 up to the maximum, ¼.
  private(set) var weights = Histogram(
    edges: [1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3] + (1..<50).map { 0.005 * Double($0) })

  init() {}

  /// The histograms of the batch on rank 0; nil elsewhere. `rows` is the number of rows of this rank's shard. One
  /// gather of 198 numbers per rank. Collective.
  static func gather<Scalar: BLASScalar>(
    _ margin: SoftmaxMargin<Scalar>, rows: Int, over communicator: Communicator
  ) throws -> MarginHistograms? {
    var own = MarginHistograms()
    for i in 0..<rows {
      own.margins.add(Double(margin.margins[i]))
      own.weights.add(Double(margin.curvatures[i]))
    }
    let numbers = own.margins.flattened + own.weights.flattened
    guard let all = try communicator.gather(numbers) else { return nil }
    var result = MarginHistograms()
    let split = own.margins.flattened.count
    for start in stride(from: 0, to: all.count, by: numbers.count) {
      result.margins.merge(all[start..<start + split])
      result.weights.merge(all[start + split..<start + numbers.count])
    }
    return result
  }
}
