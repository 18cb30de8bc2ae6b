import LinearAlgebra
import Networks

/// Products of vectors in the parameter space with the factors of M.
extension Metric {
  /// Multiplies the part of `vector` at `range` by L⁻¹; the ends of `range` must not cut a layer.
  func whiten(_ vector: Vector<Scalar>, _ range: Range<Int>) {
    transform(vector, range) { $0.whiten($1) }
    scale(vector, range, by: \.inverseRoot)
  }

  /// Multiplies the part of `vector` at `range` by L⁻ᵀ.
  func unwhiten(_ vector: Vector<Scalar>, _ range: Range<Int>) {
    transform(vector, range) { $0.unwhiten($1) }
    scale(vector, range, by: \.inverseRoot)
  }

  /// Multiplies the part of `vector` at `range` by M⁻¹.
  func divide(_ vector: Vector<Scalar>, _ range: Range<Int>) {
    transform(vector, range) {
      $0.whiten($1)
      $0.unwhiten($1)
    }
    scale(vector, range, by: \.inverse)
  }

  /// Multiplies the parts of `vector` within `range` that belong to an output by its number.
  private func scale(
    _ vector: Vector<Scalar>, _ range: Range<Int>, by factors: KeyPath<OutputScale<Scalar>, Vector<Scalar>>
  ) {
    for scale in scales where range.contains(scale.connection.start) {
      let connection = scale.connection
      let (inputs, outputs, factors) = (connection.inputs, connection.outputs, scale[keyPath: factors])
      let part = vector[connection.range]
      if connection.isTransposed {
        let values = Matrix(part, inputs + 1, outputs)
        values.assignColumns(of: values, scaledBy: factors)
      } else {
        Matrix(part[0..<outputs * inputs], outputs, inputs).scaleRows(by: factors)
        let biases = part[outputs * inputs..<part.count]
        biases.assignProduct(biases, by: factors)
      }
    }
  }

  /// Applies `body` to the blocks X within `range`.
  private func transform(
    _ vector: Vector<Scalar>, _ range: Range<Int>, _ body: (Block, Matrix<Scalar>) -> Void
  ) {
    for block in blocks where range.contains(block.connection.start) {
      let (inputs, outputs) = (block.connection.inputs, block.connection.outputs)
      let part = vector[block.connection.range]
      let weights = Matrix(part[0..<outputs * inputs], outputs, inputs)
      let biases = part[outputs * inputs..<part.count]
      let values = Matrix(blockStorage[0..<part.count], outputs, inputs + 1)
      values.assign(weights, lastColumn: biases)
      body(block, values)
      values.split(into: weights, lastColumn: biases)
    }
  }
}
