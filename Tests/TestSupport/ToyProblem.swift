import Glibc
import LinearAlgebra

/// A small random classification problem with chosen margins, determined by a seed and equal on all ranks.
package struct ToyProblem {
  package let oracle: DenseOracle
  package let parameters: [Double]

  /// Features and weights from a normal distribution, with weights scaled so that the largest |margin| is
  /// `largestMargin`.
  package init(rows: Int, features d: Int, classes C: Int, largestMargin: Double, seed: UInt64) {
    var generator = SplitMix64(seed: seed)
    // Float represents these values exactly, so that both precisions see the same problem.
    let features = (0..<rows).map { _ in (0..<d).map { _ in Double(Float(generator.nextNormal())) } }
    let labels = (0..<rows).map { _ in Int.random(in: 0..<C, using: &generator) }
    let oracle = DenseOracle(features: features, labels: labels, classCount: C)
    let θ = (0..<C * (d + 1)).map { _ in generator.nextNormal() }
    self.oracle = oracle
    let largest = (0..<rows).map { abs(oracle.margin(θ, row: $0)) }.max()!
    parameters = θ.map { Double(Float($0 * largestMargin / largest)) }
  }

  package init(
    features: [[Double]], labels: [Int], classes: Int, parameters: [Double], weights: [Double]? = nil
  ) {
    self.init(
      DenseOracle(features: features, labels: labels, classCount: classes, weights: weights), parameters)
  }

  init(_ oracle: DenseOracle, _ parameters: [Double]) {
    self.oracle = oracle
    self.parameters = parameters
  }

  package var rowCount: Int { oracle.features.count }

  package var featureCount: Int { oracle.features[0].count }

  /// The rows of `range` as a matrix.
  package func inputs<Scalar: BLASScalar>(_ range: Range<Int>, as: Scalar.Type = Scalar.self) -> Matrix<Scalar> {
    Matrix(Vector(oracle.features[range].flatMap { $0.map { Scalar($0) } }), range.count, featureCount)
  }

  package func labels(_ range: Range<Int>) -> ArraySlice<Int32> {
    oracle.labels[range].map { Int32($0) }[...]
  }

  /// ω of the rows of `range`; nil where all are 1.
  package func weights<Scalar: BLASScalar>(_ range: Range<Int>, as: Scalar.Type = Scalar.self) -> Vector<Scalar>? {
    oracle.weights.allSatisfy { $0 == 1 } ? nil : Vector(oracle.weights[range].map { Scalar($0) })
  }

  /// This problem with weights.
  package func weighted(_ weights: [Double]) -> ToyProblem {
    var oracle = oracle
    oracle.weights = weights
    return ToyProblem(oracle, parameters)
  }

  /// This problem for a head without biases.
  package var withoutBias: ToyProblem {
    var oracle = oracle
    oracle.hasBias = false
    return ToyProblem(oracle, Array(parameters.prefix(oracle.parameterCount)))
  }

  /// This problem with distributions for targets: softmax of normal logits, mixed with the uniform distribution by ε.
  package func softened(deviation: Double, smoothing ε: Double, seed: UInt64) -> ToyProblem {
    var samples = Samples(seed: seed)
    let C = oracle.classCount
    return targeting(
      oracle.labels.map { _ in
        let weights = samples.normals(C, deviation).map { Glibc.exp($0) }
        let total = weights.reduce(0, +)
        return weights.map { $0 / total * (1 - ε) + ε / Double(C) }
      })
  }

  /// This problem with the target (1−ε)e_y + ε/C in each row.
  package func smoothed(_ ε: Double) -> ToyProblem {
    let C = oracle.classCount
    return targeting(oracle.labels.map { y in (0..<C).map { ($0 == y ? 1 - ε : 0) + ε / Double(C) } })
  }

  /// This problem with a target for each row.
  package func targeting(_ targets: [[Double]]) -> ToyProblem {
    var oracle = oracle
    oracle.targets = targets
    return ToyProblem(oracle, parameters)
  }

  /// The distributions of the rows of `range`; nil where labels are the targets.
  package func distributions<Scalar: BLASScalar>(
    _ range: Range<Int>, as: Scalar.Type = Scalar.self
  ) -> Matrix<Scalar>? {
    oracle.targets.map {
      Matrix(Vector($0[range].flatMap { $0.map { Scalar($0) } }), range.count, oracle.classCount)
    }
  }
}
