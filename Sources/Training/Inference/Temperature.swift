import Datasets
import GaussNewton
import Glibc
import LinearAlgebra
import MPI

/// The logits of examples (this rank's #rows × C of n, or where ranks share out classes n × #C), and the temperature T at which
/// softmax(z/T) fits their labels best.
///
/// The mean cross-entropy is convex in the inverse temperature β = 1/T: f(β) = lse(βz) − βz_y has f′ = E z − z_y and f″ =
/// Var z, with E and Var over softmax(βz), and tᵀz in the place of z_y where a label is a distribution t. Source: Guo et
/// al., "On calibration of modern neural networks" (2017).
package struct TemperatureFit<Scalar: DistributedScalar> {
  private let logits: Matrix<Scalar>
  /// The largest logit of each row, and z_y or tᵀz (#rows).
  private let largest, targets: [Double]
  /// n
  private let count: Double
  private let communicator: Communicator
  /// nil where this rank has all classes.
  private let classes: ClassShards?

  /// What a fit finds.
  package struct Result {
    /// T
    package let temperature: Double
    package let examples: Int
    /// Mean cross-entropy at T = 1 and at T.
    package let before, after: Double
  }

  /// Why there is no best temperature.
  package enum Failure: Error { case onlyRight, onlyChance }

  /// The bounds of β, beyond which every prediction is certain, or none is better than chance.
  private static var bounds: ClosedRange<Double> { 1e-4...1e4 }

  /// Collective; takes shards that may be empty.
  package init(
    logits: Matrix<Scalar>, targets: [Double], over communicator: Communicator, classes: ClassShards? = nil
  ) throws {
    precondition(logits.rows == targets.count, "each row has a target")
    (self.logits, self.targets, self.communicator, self.classes) = (logits, targets, communicator, classes)
    count = try communicator.allreduce([Double(targets.count)])[0] / Double(classes?.communicator.size ?? 1)
    var largest = logits.mapRows { Double($1.maximum) }
    try classes?.maximize(&largest)
    self.largest = largest
  }

  /// Collective; the same on all ranks. Throws a `Failure` on all of them.
  package func solve() throws -> Result {
    var (low, high) = (Self.bounds.lowerBound, Self.bounds.upperBound)
    let start = try slopes(at: 1)
    guard try slopes(at: high).slope > 0 else { throw Failure.onlyRight }
    guard try slopes(at: low).slope < 0 else { throw Failure.onlyChance }
    var (β, point) = (1.0, start)
    // Newton's method within a bracket of the root of f′; a bisection of log β halves the bracket where it leaves it.
    for _ in 0..<100 where abs(point.slope) > 1e-12 * (abs(point.curvature) * β + point.noise) {
      if point.slope < 0 { low = β } else { high = β }
      let next = β - point.slope / point.curvature
      β = next > low && next < high ? next : (low * high).squareRoot()
      point = try slopes(at: β)
    }
    return Result(temperature: 1 / β, examples: Int(count), before: start.loss, after: point.loss)
  }

  /// f, f′ and f″ at β, means over all examples, and the mean size of what f′ is a difference of. Collective.
  private func slopes(at β: Double) throws -> (loss: Double, slope: Double, curvature: Double, noise: Double) {
    // The moments of z − max z, of the rows one after the other.
    var moments = [Double](repeating: 0, count: 3 * targets.count)
    logits.elements.withElements { elements in
      let C = logits.columns
      for row in targets.indices {
        for value in elements[row * C..<(row + 1) * C] {
          let distance = Double(value) - largest[row]
          let weight = exp(β * distance)
          moments[3 * row] += weight
          moments[3 * row + 1] += weight * distance
          moments[3 * row + 2] += weight * distance * distance
        }
      }
    }
    try classes?.sum(&moments)
    var sums = [0.0, 0, 0, 0]
    for (row, own) in targets.enumerated() {
      let (total, mean) = (moments[3 * row], moments[3 * row + 1] / moments[3 * row])
      sums[0] += log(total) + β * (largest[row] - own)
      sums[1] += mean + (largest[row] - own)
      sums[2] += max(0, moments[3 * row + 2] / total - mean * mean)
      sums[3] += abs(mean) + (largest[row] - own)
    }
    let means = try (classes?.totals(sums) ?? communicator.allreduce(sums)).map { $0 / count }
    return (means[0], means[1], means[2], means[3])
  }
}

extension Evaluator {
  /// The best temperature for a model on a set. Keeps the logits of all examples in memory, where ranks share out classes
  /// each its columns. Collective; errors as those of `scores`, and 65 where there is no best temperature.
  package func temperature(
    _ parameters: Vector<Scalar>, on set: EvaluationSet, normalization: Normalization, over communicator: Communicator
  ) throws -> TemperatureFit<Scalar>.Result {
    let columns = classes?.largest ?? classCount
    let (available, needed) = (Double(HostMemory.limit()), Double(set.count * columns * MemoryLayout<Scalar>.size))
    guard needed < available / 2 else {
      throw CollectiveFailure(
        DataError(
          path: set.name,
          message: "\(set.count) examples have \(Int(needed).megabytes) of logits, and half of the memory is "
            + "\(Int(available / 2).megabytes); use fewer examples, a thousand are enough", exitCode: 65))
    }
    var (logits, own) = ([Scalar](), [Double]())
    try forEachExample(of: set, parameters, normalization) { rows, part in
      logits += part.elements.array
      let targets = targets(of: rows, set.labels, set.probabilities)
      for row in 0..<rows.count {
        let product = targets.distributions.map { t in
          (0..<part.columns).reduce(0) { $0 + Double(t[row, $1]) * Double(part[row, $1]) }
        }
        let label = Int(set.labels[rows.lowerBound + row])
        let column = classes.map { $0.column(of: label) } ?? label
        own.append(product ?? column.map { Double(part[row, $0]) } ?? 0)
      }
    }
    try classes?.sum(&own)
    let fit = try TemperatureFit(
      logits: Matrix(Vector(logits), own.count, classes?.own.count ?? classCount), targets: own, over: communicator,
      classes: classes)
    do {
      return try fit.solve()
    } catch let failure as TemperatureFit<Scalar>.Failure {
      throw CollectiveFailure(
        DataError(
          path: set.name,
          message: failure == .onlyRight
            ? "has no example that the model is wrong on, so that no temperature is too low; use examples that it was not "
              + "trained on, and more of them"
            : "says that the model is no better than chance, which no temperature mends; train it first", exitCode: 65))
    }
  }
}
