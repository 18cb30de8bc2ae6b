import Networks

/// Seconds of the operations that steps consist of, on one rank: a matrix product costs its multiplications and its
/// operands, a pass over vectors its numbers, and each operation a call.
struct Operations {
  var rates: MachineRates
  /// Threads of the rank.
  var threads = 1
  /// Bytes per number.
  var width = 4
  /// Entries per row of sparse features.
  var valuesPerRow = 0.0
  /// How many times as long passes through memory take because other ranks of the host make theirs.
  var memoryCrowding = 1.0

  /// Time for numbers of this width relative to float32.
  var slowness: Double { Double(width) / 4 }

  func call(_ count: Double = 1) -> Double { count * (threads == 1 ? rates.call : rates.sharedCall) }

  /// The time per thread for work of `seconds` on one thread. Memory serves at most four threads.
  func shared(_ seconds: Double, fromMemory: Bool = false) -> Double {
    slowness * seconds / Double(fromMemory ? min(threads, 4) : threads)
  }

  /// A matrix product of m × k by k × n.
  func product(_ m: Double, _ n: Double, _ k: Double) -> Double {
    shared(m * n * k * rates.product + (m * k + k * n + 2 * m * n) * rates.operand) + call()
  }

  /// `times` passes over vectors of `count` numbers.
  func pass(_ count: Double, times: Double = 1) -> Double {
    let fromMemory = count * Double(width) > 4 * 1024 * 1024
    let seconds = count * times * (fromMemory ? rates.memory * memoryCrowding : rates.pass)
    return shared(seconds, fromMemory: fromMemory) + call(times / 2)
  }

  /// The product of rows with the weights of a layer.
  func product(of layer: LayerWork, rows: Double) -> Double {
    let (inputs, outputs) = (Double(layer.inputs), Double(layer.outputs))
    if layer.positions == 0 { return 0 }
    if layer.isSparse { return shared(rows * valuesPerRow * outputs * rates.sparseProduct, fromMemory: true) + call() }
    return product(rows * Double(layer.positions), outputs, inputs) + patches(of: layer, rows: rows)
  }

  /// The gradient of a layer's weights from the cotangents of its outputs.
  func weightGradient(of layer: LayerWork, rows: Double) -> Double {
    let (inputs, outputs) = (Double(layer.inputs), Double(layer.outputs))
    if layer.positions == 0 { return 0 }
    if layer.isSparse { return product(of: layer, rows: rows) + pass(Double(layer.parameterCount)) }
    return product(outputs, inputs, rows * Double(layer.positions)) + patches(of: layer, rows: rows)
  }

  private func patches(of layer: LayerWork, rows: Double) -> Double {
    layer.positions > 1 ? shared(rows * Double(layer.positions * layer.inputs) * rates.patch) : 0
  }

  func elementwise(_ layer: LayerWork, rows: Double) -> Double {
    pass(rows * Double(layer.passes + max(1, layer.positions) * (layer.positions > 0 ? layer.outputs : 0)))
  }

  /// The part of a layer in `area` elements of a Gram matrix.
  func gram(of layer: LayerWork, area: Double) -> Double {
    if layer.isSparse {
      // The share of a row's entries that meet one of another row is the density of the columns; each entry is searched
      // for.
      let meetings = valuesPerRow * valuesPerRow / max(1, Double(layer.inputs))
      let outputs = Double(layer.outputs)
      return shared(area * (meetings + 1) * rates.sparseProduct + area * outputs * rates.gram)
        + shared(area * rates.combination) + call(4)
    }
    let combinations = layer.formsGradients ? 1 : Double(layer.positions * layer.positions)
    return shared(area * (Double(layer.pairCount) * rates.gram + combinations * rates.combination)) + call(4)
  }

  /// A Cholesky factor of a matrix of `size` rows, and the solution with it.
  func cholesky(_ size: Double) -> Double {
    shared(size * size * size / 6 * rates.factor)
      + shared(size * size * (rates.combination / 2 + 3 * rates.symmetricProduct))
      + slowness * size * size * rates.substitution + call(size / 8 + 10)
  }

  /// A product with this many elements of the matrix, and the vector operations of an iteration.
  func symmetricProduct(_ elements: Double) -> Double { shared(elements * rates.symmetricProduct) + call(8) }
}
