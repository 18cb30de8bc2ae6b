import LinearAlgebra
import Networks

/// Rows of the fully connected layers in the metric, from which K and the step are formed.
extension Metric {
  /// Divides this rank's rows [h | 1] and d of the fully connected layer `index`, for `assignProduct`. Precedes
  /// `divided`.
  func divide(_ index: Int, ownInputs: Matrix<Scalar>, ownCotangents: Matrix<Scalar>) {
    if !isInverted { invert() }
    gradientStorage.grow(to: ownCotangents.rows * widestOutput)
    divided[index] = divided(index, ownInputs, ownCotangents, linearization.parts, in: &dividedStorage[index])
  }

  /// [h | 1]A⁻¹ and dS⁻¹ of this rank's rows.
  func dividedRows(_ index: Int) -> (x: Matrix<Scalar>, y: Matrix<Scalar>) { divided[index]! }

  /// [h | 1]A⁻¹ and dS⁻¹ of any rows, valid until the next call. With virtual shards the products are formed by panels
  /// of a Gram matrix, and the rows must begin at a panel.
  func divided(
    _ index: Int, inputs: Matrix<Scalar>, cotangents: Matrix<Scalar>
  ) -> (x: Matrix<Scalar>, y: Matrix<Scalar>) {
    let (rows, height) = (inputs.rows, GramPanel.rows)
    let isVirtual = linearization.parts.areVirtual
    let parts =
      isVirtual ? stride(from: 0, to: rows, by: height).map { $0..<min($0 + height, rows) } : [0..<rows]
    return divided(index, inputs, cotangents, Parts(parts, areVirtual: isVirtual), in: &otherStorage)
  }

  private func divided(
    _ index: Int, _ inputs: Matrix<Scalar>, _ cotangents: Matrix<Scalar>, _ parts: Parts<Range<Int>>,
    in storage: inout (x: Vector<Scalar>, y: Vector<Scalar>)
  ) -> (x: Matrix<Scalar>, y: Matrix<Scalar>) {
    func product(_ rows: Matrix<Scalar>, _ inverse: Matrix<Scalar>, _ storage: inout Vector<Scalar>) -> Matrix<Scalar> {
      storage.grow(to: rows.elements.count)
      let result = Matrix(storage[0..<rows.elements.count], rows.rows, rows.columns)
      if inverse.rows > 0 {
        parts.forEach { _, part in result[rows: part].assignProduct(rows[rows: part], .no, inverse, .no) }
      } else {
        result.elements.assign(rows.elements)
      }
      return result
    }
    let block = blocks[index]
    return (product(inputs, block.inputInverse, &storage.x), product(cotangents, block.gradientInverse, &storage.y))
  }

  /// gradient ← S⁻¹ Dᵀ diag(factors) [H | 1] A⁻¹ for the fully connected layer with the parameters `range`, over a part
  /// of this rank's divided rows. Returns false where there is no such layer.
  func assignProduct(
    _ range: Range<Int>, part: Int, scaledBy factors: Vector<Scalar>, into gradient: Vector<Scalar>
  ) -> Bool {
    guard let index = blocks.firstIndex(where: { $0.connection.range == range }), let (x, y) = divided[index] else {
      return false
    }
    let (connection, rows) = (blocks[index].connection, linearization.parts.all[part])
    let storage = linearization.parts.areVirtual ? partBlocks[part] : blockStorage
    let values = Matrix(storage[0..<range.count], connection.outputs, connection.columns)
    // `divide` has grown the storage; parts may be in different layers at the same time.
    let start = rows.lowerBound * widestOutput
    let scaled = Matrix(gradientStorage[start..<start + rows.count * y.columns], rows.count, y.columns)
    scaled.assignRows(of: y[rows: rows], scaledBy: factors[rows])
    values.assignProduct(scaled, .yes, x[rows: rows], .no)
    let (weights, biases) = connection.split(gradient)
    values.split(into: weights, lastColumn: biases)
    return true
  }

  /// The largest number of outputs of a fully connected layer.
  var widestOutput: Int { blocks.map(\.connection.outputs).max()! }

  /// The number of fully connected layers that it differs from I in.
  var layerCount: Int { blocks.count + scales.count }

  /// [rows | 1] of each part of the rows, or a copy of the rows for a layer without biases; valid until the next call.
  func extended(_ parts: [Matrix<Scalar>], hasBias: Bool) -> [Matrix<Scalar>] {
    let rows = linearization.parts.all
    let columns = parts[0].columns + (hasBias ? 1 : 0)
    inputStorage.grow(to: rows.last!.upperBound * columns)
    return zip(parts, rows).map { part, rows in
      let result = Matrix(inputStorage[rows.lowerBound * columns..<rows.upperBound * columns], rows.count, columns)
      result.assign(part, lastColumn: hasBias ? ones[rows] : nil)
      return result
    }
  }

  /// Each row times its factor, for each part of the rows; valid until the next call.
  func scaled(_ parts: [Matrix<Scalar>], by factors: Vector<Scalar>) -> [Matrix<Scalar>] {
    let rows = linearization.parts.all
    let columns = parts[0].columns
    gradientStorage.grow(to: rows.last!.upperBound * columns)
    return zip(parts, rows).map { part, rows in
      let result = Matrix(gradientStorage[rows.lowerBound * columns..<rows.upperBound * columns], rows.count, columns)
      result.assignRows(of: part, scaledBy: factors[rows])
      return result
    }
  }
}
