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
      let (ofOutputs, ofInputs) = (scale.outputs[keyPath: factors], scale.inputs?[keyPath: factors])
      let part = vector[connection.range]
      if connection.isTransposed {
        let values = Matrix(part, connection.columns, connection.outputs)
        if let ofInputs {
          values.scale(rows: ofInputs, columns: ofOutputs)
        } else {
          values.assignColumns(of: values, scaledBy: ofOutputs)
        }
      } else {
        let (weights, biases) = connection.split(part)
        if let ofInputs {
          weights.scale(rows: ofOutputs, columns: ofInputs[0..<connection.inputs])
        } else {
          weights.scaleRows(by: ofOutputs)
        }
        if let biases {
          biases.assignProduct(biases, by: ofOutputs)
          if let ofInputs { biases.scale(ofInputs[connection.inputs]) }
        }
      }
    }
  }

  /// Applies `body` to the blocks X within `range`.
  private func transform(
    _ vector: Vector<Scalar>, _ range: Range<Int>, _ body: (Block, Matrix<Scalar>) -> Void
  ) {
    for block in blocks where range.contains(block.connection.start) {
      let connection = block.connection
      let (weights, biases) = connection.split(vector[connection.range])
      let values = Matrix(blockStorage[0..<connection.range.count], connection.outputs, connection.columns)
      values.assign(weights, lastColumn: biases)
      body(block, values)
      values.split(into: weights, lastColumn: biases)
    }
  }
}
