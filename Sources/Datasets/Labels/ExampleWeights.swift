import CZlib

/// The weight of each example of a training set.
package struct ExampleWeights: Equatable, Sendable {
  /// ω (n): finite, not negative, of mean 1.
  package let values: [Double]

  /// Multiplies the weight of each example by the weight of its class and divides by the mean; either kind may be
  /// absent. nil if no product exceeds 0.
  ///
  /// - Precondition: weights are finite and not negative, and labels count from 0 to `classCount` − 1.
  package init?(_ own: [Double]?, _ classes: ClassWeights?, labels: [Int32], classCount: Int) {
    let classes = classes.map { Self.relative($0.values(for: labels, classCount: classCount)) }
    self.init(own, factors: classes.map { classes in labels.map { classes[Int($0)] } }, count: labels.count)
  }

  /// Multiplies the weight of each of `count` examples by its factor and divides by the mean; either kind may be absent.
  /// nil if no product exceeds 0.
  ///
  /// - Precondition: weights are finite, and factors from 0 to 1.
  package init?(_ own: [Double]?, factors: [Double]?, count: Int) {
    let own = own.map(Self.relative)
    let relative = Self.relative((0..<count).map { (own?[$0] ?? 1) * (factors?[$0] ?? 1) })
    let sum = relative.reduce(0, +)
    guard sum > 0 else { return nil }
    values = relative.map { $0 * (Double(count) / sum) }
  }

  /// Weights relative to the largest: they keep products and sums from overflowing.
  package static func relative(_ weights: [Double]) -> [Double] {
    let largest = weights.max() ?? 0
    return largest > 0 ? weights.map { $0 / largest } : weights
  }

  /// Reads the weights in files (IDX or NPY) for the `count` examples of `examples`; several files must match `files`
  /// one by one.
  ///
  /// Throws exit code 66 for a file that cannot be read; 65 for another count, for the first weight that is negative or
  /// not finite, and if no weight exceeds 0.
  package static func read(
    _ list: FileList, for count: Int, of examples: String, _ files: SetFiles? = nil
  ) throws(DataError) -> [Double] {
    let paths = try list.paths()
    var weights: [Double] = []
    var counts: [(path: String, rows: Int)] = []
    for path in paths {
      let part = try DataFormat.auto.read(path).numbers()
      if let row = part.firstIndex(where: { !($0 >= 0 && $0.isFinite) }) {
        throw .badContents(path, "example \(row) has weight \(part[row]); make it a finite number, 0 or more")
      }
      counts.append((path, part.count))
      weights += part
    }
    if paths.count > 1, let files { try files.check(SetFiles(counts), of: "weights") }
    guard weights.count == count else {
      throw .badContents(
        paths[0],
        "\(paths.count > 1 ? "and the files after it have" : "has") \(weights.count) weights, and there are \(count) "
          + "examples in \(examples); give each example one")
    }
    guard weights.contains(where: { $0 > 0 }) else {
      throw .badContents(paths[0], "all weights are 0; give some example one above that")
    }
    return weights
  }

  /// The CRC-32 of the weights.
  package var checksum: UInt32 {
    values.withUnsafeBytes { UInt32(crc32_z(0, $0.bindMemory(to: UInt8.self).baseAddress, $0.count)) }
  }
}
