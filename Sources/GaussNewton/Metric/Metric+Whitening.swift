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

  /// Multiplies the parts of `vector` within `range` that belong to an output by its number, and those that belong to an
  /// input by that of the input, if it has one.
  private func scale(
    _ vector: Vector<Scalar>, _ range: Range<Int>, by factors: KeyPath<RootMoment<Scalar>, Vector<Scalar>>
  ) {
    for scale in scales where range.contains(scale.connection.start) {
      let connection = scale.connection
      let (inputs, outputs) = (connection.inputs, connection.outputs)
      let (ofOutputs, ofInputs) = (scale.outputs[keyPath: factors], scale.inputs?[keyPath: factors])
      let part = vector[connection.range]
      if connection.isTransposed {
        let values = Matrix(part, inputs + 1, outputs)
        values.assignColumns(of: values, scaledBy: ofOutputs)
        if let ofInputs { values.scaleRows(by: ofInputs) }
      } else {
        let weights = Matrix(part[0..<outputs * inputs], outputs, inputs)
        let biases = part[outputs * inputs..<part.count]
        weights.scaleRows(by: ofOutputs)
        biases.assignProduct(biases, by: ofOutputs)
        if let ofInputs {
          weights.assignColumns(of: weights, scaledBy: ofInputs[0..<inputs])
          biases.scale(ofInputs[inputs])
        }
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
