import LinearAlgebra

/// y = x + body(x).
///
/// Parameters have the names of the body, `0.weight`, as if PyTorch's class inherited from `torch.nn.Sequential`.
package struct Residual: Layer {
  package let body: Stack

  package var inputCount: Int { body.inputCount }
  package var outputCount: Int { body.outputCount }
  package var cacheCount: Int { body.cacheCount }
  package func scratchCount(rows: Int) -> Int { body.scratchCount(rows: rows) }
  package var parameterShapes: [(name: String, shape: [Int])] { body.parameterShapes }

  /// - Precondition: the body has as many outputs as inputs.
  package init(_ body: Stack) {
    precondition(body.inputCount == body.outputCount, "a residual block has as many outputs as inputs")
    self.body = body
  }

  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {
    body.initialize(parameters, gain: gain, using: &generator)
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    body.forward(input, parameters, output: output, cache: cache, scratch: scratch)
    output.add(input)
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    body.jvp(
      at: point, inputTangent: inputTangent, parameterTangent: parameterTangent, outputTangent: outputTangent,
      scratch: scratch)
    if let inputTangent { outputTangent.add(inputTangent) }
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    body.vjp(
      at: point, outputCotangent: outputCotangent, parameterCotangent: parameterCotangent,
      inputCotangent: inputCotangent, scratch: scratch)
    inputCotangent?.add(outputCotangent)
  }

  package func rowGradientScratchCount(rows: Int) -> Int { body.rowGradientScratchCount(rows: rows) }

  package var connections: [Connection] { body.connections }
  package var rowGradientCount: Int { body.rowGradientCount }
  package var keptCotangentCount: Int { body.keptCotangentCount }
  package var rowGradientCounts: (first: Int, second: Int) { body.rowGradientCounts }

  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    try body.rowGradients(parts, keep: keep, visit: visit)
    parts.forEach { _, part in part.inputCotangent?.add(part.outputCotangent) }
  }
}

extension Matrix {
  /// self ← self + other, on all threads.
  fileprivate func add(_ other: Matrix) {
    precondition(rows == other.rows && columns == other.columns, "shapes differ")
    Threads.parallel(elements.count, grain: 1 << 15) { elements[$0].combine(1, other.elements[$0]) }
  }
}
