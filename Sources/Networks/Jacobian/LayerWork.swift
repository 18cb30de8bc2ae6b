/// The costs of a layer per row in products with the Jacobian, for cost models.
package struct LayerWork: Equatable, Sendable {
  /// The matrix product: `positions` rows of `inputs` numbers with weights to `outputs` outputs; 0 positions without a
  /// product.
  package var inputs = 0
  package var outputs = 0
  package var positions = 0
  /// Numbers that are read or written one by one.
  package var passes = 0
  /// Multiplications for the inner product of two rows' gradients, and numbers per row that ranks exchange for it.
  package var pairCount = 0
  package var gatheredCount = 0
  package var parameterCount = 0
  /// The inputs of a fully connected layer, and the 1 of its bias where it has one.
  package var columns = 0
  /// Whether the layer multiplies sparse rows; then `inputs` counts the numbers of a dense row.
  package var isSparse = false
  /// Whether gradients of rows are formed for their inner products, as wide as the parameters.
  package var formsGradients = false

  package init() {}

  /// The costs of a fully connected layer on dense or sparse rows.
  init(_ connection: Connection, isSparse: Bool) {
    (inputs, outputs, positions, columns) = (connection.inputs, connection.outputs, 1, connection.columns)
    parameterCount = connection.range.count
    pairCount = isSparse ? outputs : inputs + outputs
    gatheredCount = pairCount
    self.isSparse = isSparse
  }
}

extension Layer {
  package var work: [LayerWork] {
    var work = LayerWork()
    work.passes = inputCount + outputCount
    work.parameterCount = parameterCount
    if parameterCount > 0 {
      (work.pairCount, work.gatheredCount, work.formsGradients) = (rowGradientCount, parameterCount, true)
    }
    return [work]
  }
}

extension Linear {
  package var work: [LayerWork] { [LayerWork(connection(isTransposed: false), isSparse: false)] }
}

extension SparseLinear {
  package var work: [LayerWork] { [LayerWork(connection(isTransposed: true), isSparse: true)] }
}

extension Stack {
  package var work: [LayerWork] { layers.flatMap(\.work) }
}

extension Residual {
  package var work: [LayerWork] {
    var sum = LayerWork()
    sum.passes = 2 * outputCount
    return body.work + [sum]
  }
}
