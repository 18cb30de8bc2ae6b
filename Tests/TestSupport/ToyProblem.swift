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
    oracle = DenseOracle(features: features, labels: labels, classCount: classes, weights: weights)
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
    ToyProblem(
      features: oracle.features, labels: oracle.labels, classes: oracle.classCount, parameters: parameters,
      weights: weights)
  }
}
