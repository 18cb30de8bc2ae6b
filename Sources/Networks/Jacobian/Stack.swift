import LinearAlgebra

/// Layers in sequence, as a layer: the body of a network or of a residual block.
package struct Stack: Layer {
  package let layers: [any Layer]
  package let parameterRanges: [Range<Int>]
  private let unnumbered: Int

  /// Up to `unnumbered` layers without parameters at the beginning do not count in the names.
  ///
  /// - Precondition: there is at least one layer, and each takes as many inputs as the one before has outputs.
  package init(_ layers: [any Layer], unnumbered: Int = 0) {
    precondition(!layers.isEmpty, "a stack has at least one layer")
    for (layer, next) in zip(layers, layers.dropFirst()) {
      precondition(layer.outputCount == next.inputCount, "the layers of a stack fit together")
    }
    self.layers = layers
    self.unnumbered = unnumbered
    var start = 0
    parameterRanges = layers.map { layer in
      defer { start += layer.parameterCount }
      return start..<start + layer.parameterCount
    }
  }

  /// The same layers with another last one.
  package func replacingLast(by layer: any Layer) -> Stack {
    Stack(layers.dropLast() + [layer], unnumbered: unnumbered)
  }

  /// The layers but the last one; nil where there are no others.
  package var withoutLast: Stack? {
    layers.count == 1 ? nil : Stack(Array(layers.dropLast()), unnumbered: unnumbered)
  }

  package var inputCount: Int { layers.first!.inputCount }
  package var outputCount: Int { layers.last!.outputCount }

  /// The layers' own caches, and the activations between them.
  package var cacheCount: Int {
    layers.reduce(0) { $0 + $1.cacheCount } + layers.dropLast().reduce(0) { $0 + $1.outputCount }
  }

  /// Two buffers for tangents or activations, which alternate between the layers, and one layer's own scratch.
  package func scratchCount(rows: Int) -> Int {
    2 * rows * widest + (layers.map { $0.scratchCount(rows: rows) }.max() ?? 0)
  }

  /// The largest count of numbers per row between two layers.
  private var widest: Int { layers.dropLast().map(\.outputCount).max() ?? 0 }

  package var parameterShapes: [(name: String, shape: [Int])] {
    layers.enumerated().flatMap { number, layer in
      layer.parameterShapes.map { ("\(number - unnumbered).\($0.name)", $0.shape) }
    }
  }

  /// Weights get variances by fan-in, with the gain that keeps the variance through the activation that follows.
  package func initialize<Scalar: BLASScalar>(
    _ parameters: Vector<Scalar>, gain: Double, using generator: inout SplitMix64
  ) {
    for (index, layer) in layers.enumerated() {
      let follower = layers.dropFirst(index + 1).first { $0.parameterCount > 0 || $0 is Activation } as? Activation
      layer.initialize(
        parameters[parameterRanges[index]], gain: follower?.function.gain ?? gain, using: &generator)
    }
  }

  package func forward<Scalar: BLASScalar>(
    _ input: Matrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    run(.dense(input), parameters, output: output, cache: cache, scratch: scratch)
  }

  package func forward<Scalar: BLASScalar>(
    _ input: CSRMatrix<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    run(.sparse(input), parameters, output: output, cache: cache, scratch: scratch)
  }

  private func run<Scalar: BLASScalar>(
    _ input: Inputs<Scalar>, _ parameters: Vector<Scalar>, output: Matrix<Scalar>, cache: Vector<Scalar>?,
    scratch: Vector<Scalar>
  ) {
    var caches = cache.map { Carver($0) }
    var room = Room(scratch, rows: input.rows, widest: widest)
    var current = input
    for (index, layer) in layers.enumerated() {
      let isLast = index == layers.count - 1
      // Without a cache, activations between the layers are not kept.
      let inner = isLast ? nil : caches?.matrix(input.rows, layer.outputCount)
      let next = isLast ? output : inner ?? room.next(layer.outputCount)
      layer.forward(
        current, parameters[parameterRanges[index]], output: next,
        cache: caches?.vector(input.rows * layer.cacheCount), scratch: room.own)
      current = .dense(next)
    }
  }

  package func jvp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, inputTangent: Matrix<Scalar>?, parameterTangent: Vector<Scalar>,
    outputTangent: Matrix<Scalar>, scratch: Vector<Scalar>
  ) {
    let points = points(at: point)
    var room = Room(scratch, rows: point.inputs.rows, widest: widest)
    var tangent = inputTangent
    var isOurs = false
    for (index, layer) in layers.enumerated() {
      let isLast = index == layers.count - 1
      if tangent == nil && layer.parameterCount == 0 && !isLast { continue }
      let reuses = isOurs && layer.worksInPlace
      let next = isLast ? outputTangent : reuses ? tangent! : room.next(layer.outputCount)
      layer.jvp(
        at: points[index], inputTangent: tangent, parameterTangent: parameterTangent[parameterRanges[index]],
        outputTangent: next, scratch: room.own)
      tangent = next
      isOurs = true
    }
  }

  package func vjp<Scalar: BLASScalar>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>
  ) {
    vjp(
      at: point, outputCotangent: outputCotangent, parameterCotangent: parameterCotangent,
      inputCotangent: inputCotangent, scratch: scratch, finished: { _ in })
  }

  /// Computes the cotangents as `vjp` does; calls `finished` with each range of the parameters whose cotangent is
  /// complete, layer by layer from the last to the first.
  package func vjp<Scalar: BLASScalar, Failure: Error>(
    at point: LayerPoint<Scalar>, outputCotangent: Matrix<Scalar>, parameterCotangent: Vector<Scalar>,
    inputCotangent: Matrix<Scalar>?, scratch: Vector<Scalar>, finished: (Range<Int>) throws(Failure) -> Void
  ) throws(Failure) {
    let whole = LayerPart(
      point: point, outputCotangent: outputCotangent, inputCotangent: inputCotangent, scratch: scratch)
    try backward(Parts([whole])) { index, parts throws(Failure) in
      let part = parts.all[0]
      layers[index].vjp(
        at: part.point, outputCotangent: part.outputCotangent,
        parameterCotangent: parameterCotangent[parameterRanges[index]], inputCotangent: part.inputCotangent,
        scratch: part.scratch)
      if !parameterRanges[index].isEmpty { try finished(parameterRanges[index]) }
    }
  }

  package func rowGradientScratchCount(rows: Int) -> Int {
    2 * rows * widest + (layers.map { $0.rowGradientScratchCount(rows: rows) }.max() ?? 0)
  }

  package var connections: [Connection] {
    zip(layers, parameterRanges).flatMap { layer, range in
      layer.connections.map { $0.shifted(by: range.lowerBound) }
    }
  }

  package var rowGradientCount: Int { layers.reduce(0) { $0 + $1.rowGradientCount } }
  package var keptCotangentCount: Int { layers.reduce(0) { $0 + $1.keptCotangentCount } }

  package var rowGradientCounts: (first: Int, second: Int) {
    let counts = layers.map(\.rowGradientCounts)
    return (counts.map(\.first).max() ?? 0, counts.map(\.second).max() ?? 0)
  }

  package func rowGradients<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, keep: (LayerCotangent<Scalar>) -> Void,
    visit: (RowGradients<Scalar>) throws(Failure) -> Void
  ) throws(Failure) {
    try backward(parts) { index, parts throws(Failure) in
      try layers[index].rowGradients(
        parts, keep: { keep($0.shifted(by: parameterRanges[index].lowerBound)) }, visit: visit)
    }
  }

  /// Visits the layers from the last to the first, all parts together, with the cotangent of each layer's output and a
  /// place for the cotangent of its input where it is needed.
  private func backward<Scalar: BLASScalar, Failure: Error>(
    _ parts: Parts<LayerPart<Scalar>>, _ body: (Int, Parts<LayerPart<Scalar>>) throws(Failure) -> Void
  ) throws(Failure) {
    let layerPoints = parts.all.map { points(at: $0.point) }
    var rooms = parts.all.map { Room($0.scratch, rows: $0.point.inputs.rows, widest: widest) }
    // Layers before the first one with parameters need no cotangent, unless the caller asks for it. A head without classes
    // is visited like others.
    let first =
      parts.all[0].inputCotangent != nil ? 0 : parameterRanges.firstIndex { !$0.isEmpty } ?? layers.count - 1
    var cotangents = parts.all.map(\.outputCotangent)
    for index in layers.indices.reversed() where index >= first {
      let reuses = index < layers.count - 1 && layers[index].worksInPlace
      let atLayer = parts.all.enumerated().map { number, part in
        let next =
          index == 0
          ? part.inputCotangent
          : index == first ? nil : reuses ? cotangents[number] : rooms[number].next(layers[index].inputCount)
        return LayerPart(
          point: layerPoints[number][index], outputCotangent: cotangents[number], inputCotangent: next,
          scratch: rooms[number].own)
      }
      try body(index, Parts(atLayer, areVirtual: parts.areVirtual))
      for (number, part) in atLayer.enumerated() {
        if let next = part.inputCotangent { cotangents[number] = next }
      }
    }
  }

  /// The points of the layers, in the memory that `forward` has carved.
  private func points<Scalar: BLASScalar>(at point: LayerPoint<Scalar>) -> [LayerPoint<Scalar>] {
    var caches = Carver(point.cache)
    var input = point.inputs
    return layers.enumerated().map { index, layer in
      let output = index == layers.count - 1 ? nil : caches.matrix(input.rows, layer.outputCount)
      let own = LayerPoint(
        inputs: input, parameters: point.parameters[parameterRanges[index]],
        cache: caches.vector(input.rows * layer.cacheCount))
      if let output { input = .dense(output) }
      return own
    }
  }
}

/// The scratch of a stack: two buffers that alternate, and the rest for the current layer.
private struct Room<Scalar: BLASScalar> {
  private let rows: Int
  /// The buffer that was returned before the other one.
  private var older, newer: Vector<Scalar>
  let own: Vector<Scalar>

  init(_ scratch: Vector<Scalar>, rows: Int, widest: Int) {
    self.rows = rows
    var carver = Carver(scratch)
    older = carver.vector(rows * widest)
    newer = carver.vector(rows * widest)
    own = scratch[2 * rows * widest..<scratch.count]
  }

  /// A matrix that overwrites the last but one.
  mutating func next(_ columns: Int) -> Matrix<Scalar> {
    swap(&older, &newer)
    return Matrix(newer[0..<rows * columns], rows, columns)
  }
}

extension ActivationFunction {
  /// The factor on weights that keeps the variance of activations (He et al. 2015 for rectifiers; 5/3 for tanh, as in
  /// PyTorch's `calculate_gain`).
  var gain: Double {
    switch self {
    case .tanh: 5.0 / 3
    case .sigmoid: 1
    case .relu, .gelu, .silu: 2.squareRoot()
    }
  }
}
