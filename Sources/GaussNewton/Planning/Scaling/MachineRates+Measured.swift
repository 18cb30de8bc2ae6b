import LinearAlgebra

extension MachineRates {
  /// The rates of this rank, from the products and passes of a head of 4096 classes on 512 rows in float32: the median
  /// of some repetitions each, half a second in all. The others are those of `MachineRates`, as much slower or faster
  /// as its matrix products. Local.
  package static func measured() -> MachineRates {
    let (rows, features, classes) = (512, 384, 4096)
    var rates = MachineRates()
    let standard = rates
    func filled(_ rows: Int, _ columns: Int) -> Matrix<Float> {
      let matrix = Matrix<Float>(zeros: rows, columns)
      for i in 0..<rows * columns { matrix.elements[i] = Float((i * 7919) % 101) / 101 - 0.5 }
      return matrix
    }
    let (inputs, weights, outputs) = (filled(rows, features), filled(classes, features), filled(rows, classes))
    let (B, d, C) = (Double(rows), Double(features), Double(classes))

    // A product is m·n·k multiplications and its operands: two of different shape tell one from the other.
    let large = seconds { outputs.assignProduct(inputs, .no, weights, .yes) }
    let narrow = 16
    let (thin, thinWeights) = (filled(rows, narrow), filled(classes, narrow))
    let small = seconds { outputs.assignProduct(thin, .no, thinWeights, .yes) }
    let k = Double(narrow)
    func operands(_ k: Double) -> Double { k * (B + C) + 2 * B * C }
    let multiplication = (large * operands(k) - small * operands(d)) / (B * C * (d * operands(k) - k * operands(d)))
    // A disturbed measurement may say that one of the two costs nothing.
    let whole = large / (B * C * d)
    rates.product = min(max(multiplication, whole / 2), whole)
    rates.operand = max(0, large - B * C * d * rates.product) / operands(d)

    let matrix = Matrix<Float>(zeros: rows, rows)
    let area = B * B / 2 + 48 * B
    rates.gram = seconds { matrix.assignGramRows(GramRows(0..<rows), of: outputs) } / (area * C)

    for i in 0..<rows { matrix[i, i] += 1e4 }
    let factor = CholeskyFactor<Float>()
    rates.factor = 6 * seconds { _ = factor.factorize(matrix, shift: 1) } / (B * B * B)

    let margin = SoftmaxMargin<Float>(capacity: rows)
    let labels = (0..<rows).map { Int32($0) }
    rates.margin = seconds { margin.assign(replacing: outputs, labels: labels[...]) } / (B * C)

    let (near, far) = (1 << 15, 1 << 23)
    let (x, y) = (Vector<Float>(zeros: far), Vector<Float>(zeros: far))
    rates.memory = seconds { x.combine(0.5, y) } / Double(far)
    let (u, v) = (x[0..<near], y[0..<near])
    rates.pass = seconds { for _ in 0..<16 { u.combine(0.5, v) } } / Double(16 * near)

    let slowness = rates.product / standard.product
    for path in scaledPaths { rates[keyPath: path] *= slowness }
    return rates
  }

  /// Seconds per number of a pass through memory, while other ranks make theirs.
  package static func measuredMemory() -> Double {
    let count = 1 << 23
    let (x, y) = (Vector<Float>(zeros: count), Vector<Float>(zeros: count))
    return seconds { x.combine(0.5, y) } / Double(count)
  }

  /// What is measured, and what follows from it.
  private static var measuredPaths: [WritableKeyPath<MachineRates, Double>] {
    [\.product, \.operand, \.gram, \.factor, \.margin, \.memory, \.pass]
  }
  private static var scaledPaths: [WritableKeyPath<MachineRates, Double>] {
    [\.triangular, \.combination, \.symmetricProduct, \.substitution, \.patch, \.sparseProduct]
  }

  /// All of these rates, for messages.
  package var values: [Double] {
    get { (Self.measuredPaths + Self.scaledPaths).map { self[keyPath: $0] } }
    set {
      for (path, value) in zip(Self.measuredPaths + Self.scaledPaths, newValue) { self[keyPath: path] = value }
    }
  }

  private static func seconds(_ body: () -> Void) -> Double {
    body()
    let times = (0..<7).map { _ in
      let start = ContinuousClock.now
      body()
      return (ContinuousClock.now - start) / .seconds(1)
    }
    return times.sorted()[times.count / 2]
  }
}
