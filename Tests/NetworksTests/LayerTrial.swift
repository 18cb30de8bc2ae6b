import LinearAlgebra
import Networks
import TestSupport

/// One layer at a random point. All memory that it writes, and all scratch that it reads, is NaN before.
struct LayerTrial<Scalar: BLASScalar> {
  let layer: any Layer
  let parameters: Vector<Scalar>
  let inputs: Matrix<Scalar>
  private let cache: Vector<Scalar>
  /// The outputs of the forward pass with a cache.
  let outputs: Matrix<Scalar>

  /// Parameters near their starting values. Inputs are normal, but not near zero, where relu has its kink.
  init(_ layer: any Layer, rows: Int, seed: UInt64 = 1, inputs: Matrix<Scalar>? = nil) {
    var samples = Samples(seed: seed)
    self.layer = layer
    var generator = SplitMix64(seed: seed)
    parameters = Vector(zeros: layer.parameterCount)
    layer.initialize(parameters, gain: 1, using: &generator)
    parameters.combine(1, samples.vector(parameters.count, 0.1))
    let normals: Vector<Scalar> = samples.vector(rows * layer.inputCount)
    for i in 0..<normals.count { normals[i] += normals[i] < 0 ? -0.0625 : 0.0625 }
    self.inputs = inputs ?? Matrix(normals, rows, layer.inputCount)
    cache = .unset(rows * layer.cacheCount)
    outputs = .unset(rows, layer.outputCount)
    layer.forward(self.inputs, parameters, output: outputs, cache: cache, scratch: scratch)
  }

  var rows: Int { inputs.rows }

  private var scratch: Vector<Scalar> { .unset(layer.scratchCount(rows: rows)) }

  private var point: LayerPoint<Scalar> { LayerPoint(input: inputs, parameters: parameters, cache: cache) }

  /// The outputs without a cache.
  func evaluate() -> Matrix<Scalar> {
    let outputs = Matrix<Scalar>.unset(rows, layer.outputCount)
    layer.forward(inputs, parameters, output: outputs, cache: nil, scratch: scratch)
    return outputs
  }

  func jvp(input: Matrix<Scalar>?, parameters: Vector<Scalar>) -> Matrix<Scalar> {
    let tangent = Matrix<Scalar>.unset(rows, layer.outputCount)
    layer.jvp(
      at: point, inputTangent: input, parameterTangent: parameters, outputTangent: tangent, scratch: scratch)
    return tangent
  }

  func vjp(_ cotangent: Matrix<Scalar>) -> (input: Matrix<Scalar>, parameters: Vector<Scalar>) {
    let input = Matrix<Scalar>.unset(rows, layer.inputCount)
    let parameters = Vector<Scalar>.unset(layer.parameterCount)
    layer.vjp(
      at: point, outputCotangent: cotangent, parameterCotangent: parameters, inputCotangent: input, scratch: scratch)
    return (input, parameters)
  }

  /// The cotangent of the parameters alone, without that of the input.
  func parameterVJP(_ cotangent: Matrix<Scalar>) -> Vector<Scalar> {
    let parameters = Vector<Scalar>.unset(layer.parameterCount)
    layer.vjp(
      at: point, outputCotangent: cotangent, parameterCotangent: parameters, inputCotangent: nil, scratch: scratch)
    return parameters
  }

  /// |⟨J(u, v), w⟩ − ⟨(u, v), Jᵀw⟩| relative to the sum of the terms' magnitudes, for random input tangent u, parameter
  /// tangent v and cotangent w.
  func adjointError(seed: UInt64 = 2) -> Double {
    var samples = Samples(seed: seed)
    let u: Matrix<Scalar> = samples.matrix(rows, layer.inputCount)
    let v: Vector<Scalar> = samples.vector(layer.parameterCount)
    let w: Matrix<Scalar> = samples.matrix(rows, layer.outputCount)
    let cotangents = vjp(w)
    let forward = zip(jvp(input: u, parameters: v).elements.doubles, w.elements.doubles).map { $0 * $1 }
    let backward =
      zip(cotangents.input.elements.doubles, u.elements.doubles).map { $0 * $1 }
      + zip(cotangents.parameters.doubles, v.doubles).map { $0 * $1 }
    let size = (forward + backward).reduce(0) { $0 + abs($1) }
    return size == 0 ? 0 : abs(accurateSum(forward) - accurateSum(backward)) / size
  }

  /// Relative error of a random jvp against central differences of `function` (of parameters and one row).
  func derivativeError(seed: UInt64 = 3, _ function: ([Double], [Double]) -> [Double]) -> Double {
    var samples = Samples(seed: seed)
    let u: Matrix<Scalar> = samples.matrix(rows, layer.inputCount)
    let v: Vector<Scalar> = samples.vector(layer.parameterCount)
    // The step is so small that hardly any kink of relu or of max pooling is within reach.
    let h = 1e-6
    let expected = (0..<rows).flatMap { row in
      let sides = [h, -h].map { h in
        function(
          moved(parameters.doubles, h, v.doubles), moved(inputs[row: row].doubles, h, u[row: row].doubles))
      }
      return zip(sides[0], sides[1]).map { ($0 - $1) / (2 * h) }
    }
    return relativeError(jvp(input: u, parameters: v).elements.doubles, expected)
  }
}

extension Vector {
  /// Memory whose old values do not matter.
  static func unset(_ count: Int) -> Vector { Vector([Scalar](repeating: .nan, count: count)) }
}

extension Matrix {
  static func unset(_ rows: Int, _ columns: Int) -> Matrix { Matrix(.unset(rows * columns), rows, columns) }
}
