import LinearAlgebra

/// y = weight ∘ (x − mean)/σ + bias with mean and σ² = variance + ε of each row over all its features.
///
/// Ba, Kiros, Hinton: Layer normalization, 2016. With x̂ = (x − mean)/σ the derivative of x̂ is the symmetric map
/// N dx = (dx − mean(dx) − x̂ mean(x̂ ∘ dx))/σ, so that dy = weight ∘ N dx and its adjoint is N(weight ∘ g).
package struct LayerNormalization: Layer, Equatable {
  /// [features], or [channels, height, width] for images.
  package let shape: [Int]
  package let inputCount: Int
  package var outputCount: Int { inputCount }

  /// x̂ and 1/σ.
  package var cacheCount: Int { inputCount + 1 }
  /// 1/σ in an evaluation, where it is not read.
  package func scratchCount(rows: Int) -> Int { rows }

  package init(shape: [Int]) {
    precondition(!shape.isEmpty && shape.allSatisfy { $0 > 0 }, "a normalised row has features")
    self.shape = shape
    inputCount = shape.reduce(1, *)
  }

  package var parameterShapes: [(name: String, shape: [Int])] { [("weight", shape), ("bias", shape)] }

  /// Weights one, biases zero.
  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {
    weight(parameters).fill(1)
    bias(parameters).fill(0)
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    let kept = cache.map { normalized($0, rows: input.rows) }
    let normal = kept?.normal ?? output
    normal.assignNormalized(input, epsilon: Self.epsilon, inverse: kept?.inverse ?? scratch[0..<input.rows])
    output.assignAffine(normal, weight: weight(parameters), bias: bias(parameters))
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    let (normal, inverse) = normalized(point.cache, rows: point.input.rows)
    outputTangent.assignAffine(normal, weight: weight(parameterTangent), bias: bias(parameterTangent))
    guard let inputTangent else { return }
    outputTangent.addNormalizedTangent(
      inputTangent, normal: normal, inverse: inverse, weight: weight(point.parameters))
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    let (normal, inverse) = normalized(point.cache, rows: point.input.rows)
    outputCotangent.sumAffineCotangents(
      normal, weight: weight(parameterCotangent), bias: bias(parameterCotangent))
    inputCotangent?.assignNormalizedCotangent(
      outputCotangent, normal: normal, inverse: inverse, weight: weight(point.parameters))
  }

  package func rowGradientScratchCount(rows: Int) -> Int { rows * parameterCount }

  package var rowGradientCounts: (first: Int, second: Int) { (parameterCount, 0) }

  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    keep(LayerCotangent(self, parts))
    let gradients = parts.map { _, part in
      var carver = Carver(part.scratch)
      return carver.matrix(part.point.input.rows, parameterCount)
    }
    parts.forEach { index, part in
      let (normal, _) = normalized(part.point.cache, rows: part.point.input.rows)
      for row in 0..<part.point.input.rows {
        let (gradient, cotangent) = (gradients.all[index][row: row], part.outputCotangent[row: row])
        weight(gradient).assignProduct(cotangent, by: normal[row: row])
        bias(gradient).assign(cotangent)
      }
    }
    try visit(.rows(gradients.all))
    parts.forEach { _, part in
      let (normal, inverse) = normalized(part.point.cache, rows: part.point.input.rows)
      part.inputCotangent?.assignNormalizedCotangent(
        part.outputCotangent, normal: normal, inverse: inverse, weight: weight(part.point.parameters))
    }
  }

  /// The default value of PyTorch.
  private static let epsilon = 1e-5

  private func weight<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> { parameters[0..<inputCount] }

  private func bias<Scalar>(_ parameters: Vector<Scalar>) -> Vector<Scalar> {
    parameters[inputCount..<2 * inputCount]
  }

  /// x̂ (#b × features) and 1/σ (#b) in a cache.
  private func normalized<Scalar>(
    _ cache: Vector<Scalar>, rows: Int
  ) -> (normal: Matrix<Scalar>, inverse: Vector<Scalar>) {
    var carver = Carver(cache)
    return (carver.matrix(rows, inputCount), carver.vector(rows))
  }
}
